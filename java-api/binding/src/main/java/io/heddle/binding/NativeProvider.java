package io.heddle.binding;

import io.heddle.backend.BackendProvider;
import io.heddle.backend.Probe;

/** What the providers of native backends share: the probe. */
public abstract class NativeProvider implements BackendProvider {
  @Override
  public final Probe probe() {
    try {
      Door door = Door.open();
      return door.probe(door.backend(name()));
    } catch (IllegalStateException | IllegalArgumentException e) {
      return new Probe(false, String.valueOf(e.getMessage()));
    } catch (LinkageError e) {
      return new Probe(false, "the JavaCPP transport could not be loaded: " + e.getMessage());
    }
  }
}
