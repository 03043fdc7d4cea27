package io.heddle.tests;

import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.models.Decoder;
import io.heddle.models.ModelFolder;
import io.heddle.models.Sampler;
import io.heddle.tensor.DType;
import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import java.io.IOException;
import java.nio.file.Path;

/** The README's program: a model's folder, its tokenizer and a prompt in, the text out. */
final class Hello {
  private Hello() {}

  static void main(String... args) throws IOException {
    Tokenizer tokenizer = Tokenizers.load(Path.of(args[1]));
    try (Backend backend = Backends.open("auto");
        Decoder model = ModelFolder.load(Path.of(args[0]), backend, DType.F32)) {
      int[] prompt = tokenizer.prompt(args[2]);
      int[] ids = new Sampler(Sampler.Options.GREEDY).generate(model, prompt, 40, id -> true);
      System.out.println(tokenizer.decode(ids));
    }
  }
}
