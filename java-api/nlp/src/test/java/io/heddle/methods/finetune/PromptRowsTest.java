package io.heddle.methods.finetune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.data.PromptedText;
import io.heddle.methods.finetune.PromptRows.Keep;
import io.heddle.methods.finetune.PromptRows.Row;
import io.heddle.progress.ProgressListener;
import io.heddle.text.BpeTrainer;
import io.heddle.text.Tokenizer;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Rows of a prompt and its target: what stands where, and what is left out when room is short. */
class PromptRowsTest {
  // A byte a token: lengths can be counted off.
  private static final Tokenizer BYTES =
      new BpeTrainer(257, ProgressListener.NONE).add("x").train();
  private static final PromptedText TEXT =
      new PromptedText("0123456789", "why?", List.of("so", "thus"));
  private static final String TAIL = "\n\nQuestion: why?\n\nAnswer:";

  private static Row row(int longest, int room, Keep keep) {
    return new PromptRows(BYTES, "Answer", longest, room, keep).row(TEXT);
  }

  private static String text(Row row, int from, int to) {
    return BYTES.decode(Arrays.copyOfRange(row.ids(), from, to));
  }

  @Test
  void everythingFits() {
    Row row = row(100, 10, Keep.START);
    int end = BYTES.endOfText().orElseThrow();
    assertEquals(end, row.ids()[0]);
    assertEquals("0123456789" + TAIL, text(row, 1, row.prompt()));
    assertEquals(" so", text(row, row.prompt(), row.ids().length - 1));
    assertEquals(end, row.ids()[row.ids().length - 1]);
    assertEquals(0, row.lost());
    assertEquals(row.prompt(), row.question().length);
  }

  @Test
  void theDocumentIsCutAndNothingElse() {
    int longest = 1 + 4 + TAIL.length() + 10;
    for (Keep keep : Keep.values()) {
      Row row = row(longest, 10, keep);
      String left =
          switch (keep) {
            case START -> "0123";
            case END -> "6789";
            case BOTH -> "0189";
          };
      assertEquals(left + TAIL, text(row, 1, row.prompt()));
      assertEquals(6, row.lost());
      assertTrue(row.ids().length <= longest);
    }
    String message =
        String.valueOf(
            assertThrows(
                    IllegalArgumentException.class, () -> row(TAIL.length() + 10, 10, Keep.START))
                .getMessage());
    assertTrue(message.contains("--max-length"), message);
  }

  // A target that is cut does not end: the model is not taught that it does.
  @Test
  void longTargets() {
    Row row = row(100, 2, Keep.START);
    assertEquals(" s", text(row, row.prompt(), row.ids().length));
    assertEquals(row.prompt() + 2, row.ids().length);
    assertThrows(IllegalArgumentException.class, () -> row(100, 1, Keep.START));
    assertThrows(IllegalArgumentException.class, () -> row(10, 10, Keep.START));
  }

  @Test
  void withoutQuestionAndTarget() {
    PromptRows layout = new PromptRows(BYTES, "Summary", 100, 10, Keep.START);
    Row row = layout.row(new PromptedText("", null, List.of()));
    assertEquals("\n\nSummary:", text(row, 1, row.ids().length));
    assertEquals(row.prompt(), row.ids().length);
  }
}
