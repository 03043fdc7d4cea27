/**
 * What processes of one run do together: {@link io.heddle.backend.collective.Meeting} brings them
 * together and notices when one is gone, {@link io.heddle.backend.collective.Collective} adds up
 * their tensors.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.backend.collective;
