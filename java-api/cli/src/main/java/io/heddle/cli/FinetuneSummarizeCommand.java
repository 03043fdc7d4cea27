package io.heddle.cli;

import io.heddle.methods.finetune.Writing;
import picocli.CommandLine.Command;

/** {@code heddle finetune summarize}: summaries of long documents. */
@Command(
    name = "summarize",
    description = {
      "Trains a decoder to write summaries, from nothing or from a model folder, which may be"
          + " converted to a",
      "longer context and a mixed schedule on the way. Files are JSON lines: a document, perhaps a"
          + " question, a",
      "summary. Measured are ROUGE-1, ROUGE-2 and ROUGE-L of what it writes for the development"
          + " part. The same",
      "command resumes an interrupted run."
    })
final class FinetuneSummarizeCommand extends WritingCommand {
  FinetuneSummarizeCommand() {
    super(Writing.Kind.SUMMARY);
  }
}
