package io.heddle.binding.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a user reads where NVIDIA's libraries are not, or are not what they should be. */
class CudaLibrariesTest {
  private static final String[] NAMES = {"libcudart", "libcublasLt", "libcublas"};

  @TempDir Path folder = Path.of("");

  private static void tells(@Nullable String sentence, String... parts) {
    for (String part : parts) {
      assertTrue(String.valueOf(sentence).contains(part), "no '" + part + "' in: " + sentence);
    }
  }

  private void put(String file) throws IOException {
    Files.writeString(folder.resolve(file), "no library");
  }

  @Test
  void aMissingFileIsNamedWithItsVersionAndTheFolders() throws IOException {
    tells(
        CudaLibraries.CUBLASLT.missing(List.of(folder)),
        "libcudart.so.13",
        "CUDA 13.x",
        folder.toString(),
        "-Dheddle.cuda.libraries",
        "HEDDLE_CUDA_LIBRARIES");
    put("libcudart.so.13");
    put("libcublasLt.so.12");
    tells(
        CudaLibraries.CUBLASLT.missing(List.of(folder)),
        "libcublasLt.so.13",
        folder.resolve("libcublasLt.so.12") + ", another version");
    tells(CudaLibraries.CUBLASLT.missing(List.of()), "any usual folder");
  }

  @Test
  void cudnnIsLookedForInTheSameWay() throws IOException {
    tells(
        CudaLibraries.CUDNN.missing(List.of(folder)),
        "recurrent layers on CUDA need libcudnn.so.9 (cuDNN 9.x)",
        folder.toString(),
        "HEDDLE_CUDA_LIBRARIES");
    put("libcudnn.so.9");
    put("libcudnn_graph.so.8");
    tells(
        CudaLibraries.CUDNN.missing(List.of(folder)),
        "libcudnn_graph.so.9",
        folder.resolve("libcudnn_graph.so.8") + ", another version");
  }

  @Test
  void whatIsNoLibraryIsNamed() throws IOException {
    for (String name : NAMES) {
      put(name + ".so.13");
    }
    assertNull(CudaLibraries.CUBLASLT.missing(List.of(folder)));
    tells(
        CudaLibraries.CUBLASLT.tryLoad(List.of(folder)),
        folder.toString(),
        "cuBLASLt could not be loaded");
  }

  @Test
  void theFoldersNamedByThePropertyComeFirst() {
    String before = System.getProperty("heddle.cuda.libraries");
    System.setProperty("heddle.cuda.libraries", folder + ":/no/such/folder");
    try {
      List<Path> folders = CudaLibraries.folders();
      assertEquals(folder, folders.get(0));
      assertEquals(Path.of("/no/such/folder"), folders.get(1)); // told, should it come to that
    } finally {
      if (before == null) {
        System.clearProperty("heddle.cuda.libraries");
      } else {
        System.setProperty("heddle.cuda.libraries", before);
      }
    }
  }
}
