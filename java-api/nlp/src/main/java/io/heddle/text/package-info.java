/** Tokenisers: byte-level BPE in the form of GPT-2 and Hugging Face, its training, and llama2.c's scored BPE. */
@org.jspecify.annotations.NullMarked
package io.heddle.text;
