/**
 * Text as data: documents from files ({@link io.heddle.data.Texts}), held-out parts ({@link
 * io.heddle.data.HoldOut}), tokens packed to rows ({@link io.heddle.data.PackedTokens}) or cut for
 * scoring ({@link io.heddle.data.EvaluationWindows}), and English text from WordNet ({@link
 * io.heddle.data.WordNetText}, {@link io.heddle.data.Distribution}).
 */
@org.jspecify.annotations.NullMarked
package io.heddle.data;
