package io.heddle.binding.javacpp;

import org.bytedeco.javacpp.annotation.NoException;
import org.bytedeco.javacpp.annotation.Platform;
import org.bytedeco.javacpp.annotation.Properties;
import org.bytedeco.javacpp.tools.Info;
import org.bytedeco.javacpp.tools.InfoMap;
import org.bytedeco.javacpp.tools.InfoMapper;

/**
 * How JavaCPP reads {@code heddle.h}: the Parser turns the header into {@code HeddleLibrary}. Only
 * the functions are wanted: structs stay in memory segments, addresses are longs.
 */
@Properties(
    value =
        @Platform(
            value = "linux-x86_64",
            include = "heddle/heddle.h",
            link = "heddle",
            library = "jniheddle"),
    global = "io.heddle.binding.javacpp.HeddleLibrary")
@NoException
public class HeddlePresets implements InfoMapper {
  @Override
  public void map(InfoMap infoMap) {
    infoMap
        .put(new Info("HD_API").cppTypes().annotations())
        .put(new Info("HD_MAX_RANK", "HD_ABI_VERSION").skip())
        .put(new Info("hd_tensor", "hd_status", "hd_dtype").skip())
        .put(new Info("hd_address").cast().valueTypes("long"));
  }
}
