package io.heddle.methods.study;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * What a method says of itself, held against what was found, once for each column of findings.
 *
 * @param text what is said
 * @param when under which conditions it must hold at this scale
 * @param held whether it held, for each column
 * @param evidence the numbers, for each column
 */
public record Claim(String text, String when, List<Boolean> held, List<String> evidence) {
  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * One check's outcome.
   *
   * @param held whether the claim held
   * @param evidence the numbers
   */
  public record Verdict(boolean held, String evidence) {}

  /** Checks a claim on each of {@code all}. */
  public static <F> Claim over(
      List<F> all, String text, String when, Function<? super F, Verdict> check) {
    List<Verdict> verdicts = all.stream().<Verdict>map(check).toList();
    return new Claim(
        text,
        when,
        verdicts.stream().map(Verdict::held).toList(),
        verdicts.stream().map(Verdict::evidence).toList());
  }

  /** The claims as a table, one column for each of {@code columns}. */
  public static Table table(String title, String note, List<String> columns, List<Claim> claims) {
    List<String> header = new ArrayList<>(List.of("claim", "must hold"));
    header.addAll(columns);
    List<List<String>> rows = new ArrayList<>();
    for (Claim claim : claims) {
      List<String> cells = new ArrayList<>(List.of(claim.text, claim.when));
      for (int c = 0; c < columns.size(); c++) {
        cells.add((claim.held.get(c) ? "held: " : "did not hold: ") + claim.evidence.get(c));
      }
      rows.add(cells);
    }
    return new Table(title, note, header, rows);
  }

  /** Adds the claims to a file of results. */
  public static void addTo(ArrayNode array, List<Claim> claims) {
    for (Claim claim : claims) {
      ObjectNode one = array.addObject().put("claim", claim.text).put("must_hold", claim.when);
      one.set("held", JSON.valueToTree(claim.held));
      one.set("evidence", JSON.valueToTree(claim.evidence));
    }
  }
}
