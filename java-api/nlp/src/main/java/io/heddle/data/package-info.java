/**
 * Text as data: documents from files ({@link io.heddle.data.Texts}), held-out parts ({@link
 * io.heddle.data.HoldOut}), tokens packed to rows ({@link io.heddle.data.PackedTokens}) or cut for
 * scoring ({@link io.heddle.data.EvaluationWindows}); samples by index ({@link
 * io.heddle.data.Dataset}) or one after the other ({@link io.heddle.data.DataStream}), batched by
 * length ({@link io.heddle.data.FixedBucketSampler}, {@link io.heddle.data.Batchify}), shuffled
 * though memory cannot hold them ({@link io.heddle.data.ShuffledShards}), kept on disk as tokens
 * ({@link io.heddle.data.TokenCache}); and English text from WordNet ({@link
 * io.heddle.data.WordNetText}, {@link io.heddle.data.Distribution}).
 */
@org.jspecify.annotations.NullMarked
package io.heddle.data;
