package io.heddle.checkpoint.merge;

/**
 * What to do where checkpoints do not have the same tensors with the same shapes; each case is
 * reported. The model that the others are held against is the base, or the first source.
 *
 * @param missing when a source lacks a tensor
 * @param extra when a source has a tensor of its own
 * @param tied when a model lacks its head because the embedding serves as one, and another does not
 * @param vocabulary when embeddings or heads differ in their number of rows
 */
public record Alignment(Missing missing, Extra extra, Tied tied, Vocabulary vocabulary) {
  /** Any difference is an error. */
  public static final Alignment STRICT =
      new Alignment(Missing.ERROR, Extra.ERROR, Tied.ERROR, Vocabulary.ERROR);

  /** A source lacks a tensor. */
  public enum Missing {
    /** Refuse. */
    ERROR,
    /** The base's tensor stands in, so that the source changes nothing there. */
    BASE
  }

  /** A source has a tensor that the base lacks. */
  public enum Extra {
    /** Refuse. */
    ERROR,
    /** Leave it out. */
    DROP,
    /** Take it over from the first source that has it. */
    COPY
  }

  /** A model has no head of its own, another has. */
  public enum Tied {
    /** Refuse. */
    ERROR,
    /** The embedding stands in for the missing head; the output has one of its own. */
    UNTIE
  }

  /** Embeddings differ in their number of rows. Rows are matched by their place. */
  public enum Vocabulary {
    /** Refuse. */
    ERROR,
    /** As many rows as the base has; where a source has fewer, the base's stand in. */
    BASE,
    /**
     * As many rows as the largest; where a source has fewer, the base's stand in, and where the
     * base has fewer, those of the first source that has them.
     */
    EXTEND
  }
}
