/**
 * Checkpoints: reading and writing safetensors files (github.com/huggingface/safetensors, format
 * description in its README), and element-wise arithmetic over them.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.checkpoint;
