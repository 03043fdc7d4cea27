/** What a backend is, and how one is found: {@link io.heddle.backend.Backends#open}. */
@org.jspecify.annotations.NullMarked
package io.heddle.backend;
