package io.heddle.binding.cuda;

import static org.bytedeco.cuda.global.nvml.NVML_CLOCK_SM;
import static org.bytedeco.cuda.global.nvml.NVML_FEATURE_ENABLED;
import static org.bytedeco.cuda.global.nvml.NVML_SUCCESS;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.StringJoiner;
import org.bytedeco.cuda.global.nvml;
import org.bytedeco.cuda.nvml.nvmlDevice_st;
import org.bytedeco.cuda.nvml.nvmlMemory_t;
import org.bytedeco.javacpp.PointerPointer;

/** What a benchmark's reader wants to know of a GPU and CUDA does not tell: NVML's facts. */
final class GpuFacts {
  private static final int DRIVER_CHARS = 80; // NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE

  private GpuFacts() {}

  /**
   * A line of facts.
   *
   * @param uuid of the device, {@code GPU-...}
   * @return driver, power limit, clock, memory and ECC; or why NVML tells none
   */
  static String of(String uuid) {
    try {
      int status = nvml.nvmlInit_v2();
      if (status != NVML_SUCCESS) {
        return "NVML: " + nvml.nvmlErrorString(status).getString();
      }
      try {
        return line(uuid);
      } finally {
        nvml.nvmlShutdown();
      }
    } catch (LinkageError e) {
      return "NVML (libnvidia-ml.so.1, of the driver) could not be loaded: " + e.getMessage();
    }
  }

  private static String line(String uuid) {
    StringJoiner line = new StringJoiner(", ");
    byte[] version = new byte[DRIVER_CHARS];
    if (nvml.nvmlSystemGetDriverVersion(version, DRIVER_CHARS) == NVML_SUCCESS) {
      String text = new String(version, StandardCharsets.US_ASCII);
      line.add("driver " + text.substring(0, text.indexOf('\0')));
    }
    try (PointerPointer<nvmlDevice_st> found = new PointerPointer<>(1)) {
      int status = nvml.nvmlDeviceGetHandleByUUID(uuid, found);
      if (status != NVML_SUCCESS) {
        return line.add(uuid + ": " + nvml.nvmlErrorString(status).getString()).toString();
      }
      facts(found.get(nvmlDevice_st.class, 0)).forEach(line::add);
    }
    return line.toString();
  }

  // A fact that a GPU does not tell is left out.
  private static List<String> facts(nvmlDevice_st device) {
    List<String> facts = new ArrayList<>();
    int[] value = new int[1];
    if (nvml.nvmlDeviceGetEnforcedPowerLimit(device, value) == NVML_SUCCESS) {
      facts.add("power limit " + value[0] / 1000 + " W");
    }
    if (nvml.nvmlDeviceGetMaxClockInfo(device, NVML_CLOCK_SM, value) == NVML_SUCCESS) {
      facts.add("SM clock up to " + value[0] + " MHz");
    }
    try (nvmlMemory_t memory = new nvmlMemory_t()) {
      if (nvml.nvmlDeviceGetMemoryInfo(device, memory) == NVML_SUCCESS) {
        double gib = 1L << 30;
        facts.add(
            String.format(
                Locale.ROOT, "%.1f of %.1f GiB in use", memory.used() / gib, memory.total() / gib));
      }
    }
    if (nvml.nvmlDeviceGetEccMode(device, value, new int[1]) == NVML_SUCCESS) {
      facts.add(value[0] == NVML_FEATURE_ENABLED ? "ECC on" : "ECC off");
    }
    return facts;
  }
}
