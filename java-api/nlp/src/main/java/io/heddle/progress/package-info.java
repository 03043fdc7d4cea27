/** How long work tells how far it is. Stands alone, below everything that takes long. */
@NullMarked
package io.heddle.progress;

import org.jspecify.annotations.NullMarked;
