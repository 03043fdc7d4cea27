#!/usr/bin/env bash
# Makes the golden files of this folder with Debian's fasttext 0.9.2+ds-1 (apt-get install fasttext): tests/golden/vectors/make.sh
# Small skip-gram and CBOW models, one thread; what they say of words they saw and of words that they did not; nearest neighbours.
set -euo pipefail
cd "$(dirname "$0")"
text=$(mktemp)
for i in $(seq 60); do
  echo "the weaver weaves woven thread on the loom and the heddle lifts the warp"
  echo "Ahab hunts the whale over the grey sea while Starbuck counts the days"
  echo "naïve café über 東京 東京都 Ελλάδα día 𝔘nicode e"
done >"$text"
common=(-input "$text" -dim 5 -minCount 1 -epoch 3 -thread 1 -neg 3)
fasttext skipgram "${common[@]}" -output grams -minn 2 -maxn 4 -bucket 97 >/dev/null 2>&1
fasttext cbow "${common[@]}" -output words -minn 0 -maxn 0 >/dev/null 2>&1
printf '%s\n' the weaver whale naïve 東京 Ελλάδα 𝔘nicode e '</s>' weaving unseen 京都 Ελλάς é ß x >queries.txt
fasttext print-word-vectors grams.bin <queries.txt >grams.answers.txt
fasttext print-ngrams grams.bin 東京都 >grams.ngrams.txt
printf 'weaver\nwhale\n' | fasttext nn grams.bin 4 | sed 's/Query word? //g' >grams.nn.txt
rm "$text"
