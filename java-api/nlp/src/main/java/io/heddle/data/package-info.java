/** Text as data: documents from files, held-out parts, tokens packed to rows, and English text from WordNet. */
@org.jspecify.annotations.NullMarked
package io.heddle.data;
