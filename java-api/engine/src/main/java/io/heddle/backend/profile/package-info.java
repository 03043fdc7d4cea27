/**
 * Where the time goes: JFR events and a Chrome trace of the ops that backends run. See
 * docs/profiling.md.
 */
@NullMarked
package io.heddle.backend.profile;

import org.jspecify.annotations.NullMarked;
