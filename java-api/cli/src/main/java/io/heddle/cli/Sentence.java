package io.heddle.cli;

import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;

/** An error as the one sentence that a user reads. */
final class Sentence {
  private Sentence() {}

  /** What went wrong; the JDK's file errors, whose message is a bare name, are put into words. */
  static String of(Throwable error) {
    // These two only carry what went wrong.
    if (error instanceof UncheckedIOException || error instanceof ExceptionInInitializerError) {
      Throwable cause = error.getCause();
      if (cause != null) {
        return of(cause);
      }
    }
    return switch (error) {
      case FileSystemException file -> ofFile(file);
      case OutOfMemoryError _ ->
          "the Java heap is full (" + plain(error) + "); raise it with HEDDLE_JAVA_OPTS=-Xmx8g";
      // Their message alone, a class or library name, tells a user nothing.
      case LinkageError _ -> error.getClass().getSimpleName() + ": " + plain(error);
      case NullPointerException _ -> "internal error: " + plain(error);
      default -> plain(error);
    };
  }

  private static String ofFile(FileSystemException error) {
    String file = String.valueOf(error.getFile());
    return switch (error) {
      case NoSuchFileException _ -> "there is no file '" + file + "'";
      case AccessDeniedException _ -> "permission to access '" + file + "' is denied";
      case FileAlreadyExistsException _ -> "'" + file + "' is there already";
      case NotDirectoryException _ -> "'" + file + "' is not a folder";
      case DirectoryNotEmptyException _ -> "the folder '" + file + "' is not empty";
      default -> plain(error);
    };
  }

  private static String plain(Throwable error) {
    String message = error.getMessage();
    return message == null || message.isBlank() ? error.getClass().getSimpleName() : of(message);
  }

  /** The text on one line. */
  static String of(String text) {
    return text.strip().replaceAll("\\s*\\R\\s*", "; ");
  }
}
