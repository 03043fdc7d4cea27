package io.heddle.checkpoint.merge;

import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.TensorEntry;
import io.heddle.checkpoint.merge.Alignment.Missing;
import io.heddle.checkpoint.merge.Alignment.Tied;
import io.heddle.checkpoint.merge.Alignment.Vocabulary;
import io.heddle.checkpoint.merge.TensorPlan.Input;
import io.heddle.checkpoint.merge.TensorPlan.Piece;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** Finds the tensors that belong together, by the rules of an {@link Alignment}. */
final class Operands {
  private final List<Checkpoint> models;
  private final Alignment alignment;
  private final Set<String> report = new TreeSet<>();

  Operands(List<Checkpoint> models, Alignment alignment) {
    this.models = models;
    this.alignment = alignment;
  }

  /** One line for each departure from plain agreement. */
  List<String> report() {
    return List.copyOf(report);
  }

  void note(String line) {
    report.add(line);
  }

  /** A tensor of a model. */
  record Place(int model, TensorEntry entry) {}

  /** The tensor of this name, or the embedding for a head that is tied to it. */
  @Nullable Place find(int model, String name) throws IOException {
    Checkpoint in = models.get(model);
    if (in.contains(name)) {
      return new Place(model, in.entry(name));
    }
    String embedding = LayerNames.isHead(name) ? LayerNames.embedding(in.names()) : null;
    if (embedding == null) {
      return null;
    }
    if (alignment.tied() == Tied.ERROR) {
      throw new IllegalArgumentException(
          in
              + " has no tensor "
              + quote(name)
              + ", which another model has: its head is tied to "
              + quote(embedding)
              + "; with the policy 'untie' for tied heads that stands in");
    }
    note(in + ": " + quote(embedding) + " stands in for the tied head " + quote(name));
    return new Place(model, in.entry(embedding));
  }

  /** The same of a model that must have it, or else {@code instead}, if the policy allows. */
  Place find(int model, String name, @Nullable Place instead, Checkpoint reference)
      throws IOException {
    Place place = find(model, name);
    if (place != null) {
      return place;
    }
    if (instead == null || alignment.missing() == Missing.ERROR) {
      throw new IllegalArgumentException(
          models.get(model)
              + " has no tensor "
              + quote(name)
              + ", which "
              + reference
              + " has; with the policy 'base' for missing tensors the base's stands in");
    }
    note(
        models.get(model)
            + " has no tensor "
            + quote(name)
            + ": that of "
            + models.get(instead.model)
            + " stands in");
    return instead;
  }

  /** The shape of the output, given the reference's place and the others'. */
  long[] shape(String name, Place reference, List<Place> others) {
    long[] shape = reference.entry.shape();
    for (Place other : others) {
      long[] its = other.entry.shape();
      if (Arrays.equals(its, shape)) {
        continue;
      }
      boolean rows =
          its.length == shape.length
              && its.length > 0
              && Arrays.equals(tail(its), tail(shape))
              && LayerNames.hasVocabulary(name);
      if (!rows || alignment.vocabulary() == Vocabulary.ERROR) {
        throw new IllegalArgumentException(
            "tensor "
                + quote(name)
                + " is "
                + of(reference)
                + " and "
                + of(other)
                + (rows
                    ? "; the policies 'base' and 'extend' for vocabularies allow that"
                    : "; its shapes must agree"));
      }
      if (alignment.vocabulary() == Vocabulary.EXTEND) {
        shape[0] = Math.max(shape[0], its[0]);
      }
    }
    return shape;
  }

  private static long[] tail(long[] shape) {
    return Arrays.copyOfRange(shape, 1, shape.length);
  }

  private String of(Place place) {
    return place.entry.type()
        + " "
        + Arrays.toString(place.entry.shape())
        + " in "
        + models.get(place.model);
  }

  /**
   * The elements of one operand.
   *
   * @param own the operand's tensor
   * @param fill tensors from which missing rows are taken, the first that has them
   * @param shape of the output
   */
  Input input(String name, Place own, List<Place> fill, long[] shape) {
    long width = 1;
    for (int i = 1; i < shape.length; i++) {
      width *= shape[i];
    }
    long all = shape.length == 0 ? 1 : shape[0];
    List<Piece> pieces = new ArrayList<>();
    long rows = shape.length == 0 ? 1 : Math.min(all, own.entry.shape()[0]);
    add(pieces, own, 0, rows * width);
    if (shape.length > 0 && own.entry.shape()[0] > all) {
      note(models.get(own.model) + ": only " + all + " rows of " + quote(name) + " are merged");
    }
    for (Place other : fill) {
      long has = shape.length == 0 ? 1 : Math.min(all, other.entry.shape()[0]);
      if (has > rows) {
        if (other.entry.type() != own.entry.type()) {
          throw new IllegalArgumentException(
              "rows of tensor "
                  + quote(name)
                  + " cannot come from "
                  + of(own)
                  + " and "
                  + of(other));
        }
        add(pieces, other, rows * width, (has - rows) * width);
        note(
            "rows %d to %d of %s: %s has none, those of %s stand in"
                .formatted(
                    rows, has - 1, quote(name), models.get(own.model), models.get(other.model)));
        rows = has;
      }
    }
    if (rows < all) {
      throw new IllegalStateException("rows of " + name + " are missing");
    }
    return new Input(own.entry.type(), List.copyOf(pieces));
  }

  private static void add(List<Piece> pieces, Place place, long first, long count) {
    pieces.add(new Piece(place.model, place.entry.name(), first, count));
  }

  static String quote(String name) {
    return '"' + Objects.requireNonNull(name) + '"';
  }
}
