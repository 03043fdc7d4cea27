package io.heddle.models;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Schedules with a name, for a model of any depth; {@link Schedule#parse} knows them. */
public enum SchedulePreset {
  /**
   * Blocks of 1024 above full attention in the bottom sixth of the layers (MASFormer, arXiv
   * 2310.12442: 4 of 24, 73 % of the scored pairs saved at 8192 tokens).
   */
  MASFORMER {
    @Override
    String schedule(int layers) {
      int full = Math.max(1, Math.round(layers / 6f));
      return Schedule.mixed(layers, full, Schedule.Placement.BOTTOM, "block:1024");
    }
  },
  /** Full attention and windows of 256 in turns, as GPT-Neo's checkpoints. */
  GPT_NEO {
    @Override
    String schedule(int layers) {
      return "full" + at("window:256", layers, 1, 2);
    }
  },
  /** Five windows of 1024, then full attention, as Gemma 3's larger checkpoints. */
  GEMMA3 {
    @Override
    String schedule(int layers) {
      return "window:1024" + at("full", layers, 5, 6);
    }
  },
  /** Windows of 4096 everywhere, as Mistral's first checkpoint. */
  MISTRAL {
    @Override
    String schedule(int layers) {
      return "window:4096";
    }
  };

  /** The schedule as text, for a model of so many layers. */
  abstract String schedule(int layers);

  /** How it is written. */
  public String word() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** All names, for messages. */
  public static String words() {
    return Arrays.stream(values()).map(SchedulePreset::word).collect(Collectors.joining(", "));
  }

  /** The text that a preset's name stands for; any other text as it is. */
  static String expand(String text, int layers) {
    for (SchedulePreset preset : values()) {
      if (preset.word().equals(text.strip())) {
        return preset.schedule(layers);
      }
    }
    return text;
  }

  // ",PATTERN@first+..." for every step-th layer from the first on; nothing where there is none.
  private static String at(String pattern, int layers, int first, int step) {
    String list =
        IntStream.range(0, layers)
            .filter(i -> i % step == first)
            .mapToObj(String::valueOf)
            .collect(Collectors.joining("+"));
    return list.isEmpty() ? "" : "," + pattern + "@" + list;
  }
}
