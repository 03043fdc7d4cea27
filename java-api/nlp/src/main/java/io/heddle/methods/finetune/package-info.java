/**
 * Fine-tuning on plain files. A task brings its data, the scores of a batch and its measures;
 * {@link io.heddle.methods.finetune.FinetuneRun} is what all have in common: the training loop,
 * early stopping by a measure of the development part, the best parameters kept, resuming, the
 * report.
 *
 * <p>Classification of texts and pairs: the cross-entropy of a {@link io.heddle.models.Classifier}
 * with label smoothing (Szegedy et al. 2016). Batches hold rows of about one length.
 *
 * <p>Tagging: the cross-entropy at the first piece of every word; chunks are scored as CoNLL's
 * conlleval does.
 *
 * <p>Writing: summaries of documents and answers to questions about them by a decoder, the loss on
 * the target alone, for documents longer than full attention everywhere could pay for (MASFormer,
 * arXiv 2310.12442); ROUGE (Lin 2004), exact match and F1 (Rajpurkar et al. 2016) of what is
 * written.
 *
 * <p>Translation: the cross-entropy of target tokens, with label smoothing, of an encoder-decoder
 * Transformer (Vaswani et al. 2017); BLEU of whole lines.
 *
 * <pre>
 * heddle finetune classify --data FOLDER --out RUN
 * heddle finetune tag --data FOLDER --out RUN
 * heddle finetune summarize --data FOLDER --model MODEL --out RUN
 * heddle finetune qa --data FOLDER --model MODEL --out RUN
 * heddle finetune translate --data FOLDER --source en --target de --out RUN
 * </pre>
 */
@org.jspecify.annotations.NullMarked
package io.heddle.methods.finetune;
