package io.heddle.bench;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/**
 * A tokenizer of the Hugging Face library, which is Rust, as DJL's jar carries it. It is called by
 * DJL's JNI functions without the Java objects that DJL makes of every result: a string goes in,
 * ids come out.
 */
final class RustTokenizer implements AutoCloseable {
  static final String NAME = "huggingface";
  private static final String LIBRARY = "native/lib/linux-x86_64/cpu/libtokenizers.so";

  static {
    load();
  }

  private final long handle;

  /** From the text of a {@code tokenizer.json}. */
  RustTokenizer(String json) {
    handle = TokenizersLibrary.LIB.createTokenizerFromString(json);
  }

  // DJL's own loader would ask for the rest of DJL, and keep a copy in the user's home.
  @SuppressWarnings("restricted")
  private static void load() {
    ClassLoader loader = TokenizersLibrary.class.getClassLoader();
    try (InputStream in = loader.getResourceAsStream(LIBRARY)) {
      if (in == null) {
        throw new IllegalStateException("DJL's jar of tokenizers has no " + LIBRARY);
      }
      Path copy = Files.createTempFile("libtokenizers", ".so");
      Files.copy(in, copy, StandardCopyOption.REPLACE_EXISTING);
      System.load(copy.toString());
      Files.delete(copy); // it stays mapped
    } catch (IOException e) {
      throw new UncheckedIOException(LIBRARY, e);
    }
  }

  /** The ids of a text, without special tokens around. */
  long[] encode(String text) {
    long encoding = TokenizersLibrary.LIB.encode(handle, text, false);
    long[] ids = TokenizersLibrary.LIB.getTokenIds(encoding);
    TokenizersLibrary.LIB.deleteEncoding(encoding);
    return ids;
  }

  @Override
  public void close() {
    TokenizersLibrary.LIB.deleteTokenizer(handle);
  }
}
