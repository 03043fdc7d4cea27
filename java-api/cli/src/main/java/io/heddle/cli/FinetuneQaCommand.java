package io.heddle.cli;

import io.heddle.methods.finetune.Writing;
import picocli.CommandLine.Command;

/** {@code heddle finetune qa}: answers to questions about long documents. */
@Command(
    name = "qa",
    description = {
      "Trains a decoder to answer questions about documents, from nothing or from a model folder,"
          + " which may be",
      "converted to a longer context and a mixed schedule on the way. Files are JSON lines: a"
          + " document, a",
      "question, an answer or a list of them. Measured are SQuAD's exact match and F1 of what it"
          + " writes for the",
      "development part. The same command resumes an interrupted run."
    })
final class FinetuneQaCommand extends WritingCommand {
  FinetuneQaCommand() {
    super(Writing.Kind.ANSWER);
  }
}
