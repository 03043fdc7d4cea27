"""What the sentencepiece library makes of a model that Heddle has learnt, for UnigramTrainerTest: python make_unigram.py [OUT].

The model is `text/unigram/spiece.model`, learnt from `text/corpus.txt` by

    ./heddle tokenize --train unigram --data tests/golden/text/corpus.txt --vocab 160 --out tests/golden/text/unigram
"""

import hashlib
import json
import sys

import sentencepiece

OUT = sys.argv[1] if len(sys.argv) > 1 else "text"
MODEL = f"{OUT}/unigram/spiece.model"
TEXTS = open(f"{OUT}/corpus.txt", encoding="utf-8").read().splitlines() + [
    "threading the looms of pattern-makers", "  two  spaces  ", "", "unknown glyphs 🚀☃ within words", "織物", "weavers' weft",
    "▁ a mark of its own", "tab\tand more", "1785 and 1804 and 99", "ΑΒΓ", "overunderover", "x" * 50,
]
model = sentencepiece.SentencePieceProcessor(model_file=MODEL)
with open(f"{OUT}/unigram.jsonl", "w", encoding="utf-8") as f:
    f.write(json.dumps(dict(sha256=hashlib.sha256(open(MODEL, "rb").read()).hexdigest(), size=model.get_piece_size(),
                            version=sentencepiece.__version__)) + "\n")
    for text in TEXTS:
        f.write(json.dumps(dict(text=text, ids=model.encode(text), pieces=model.encode(text, out_type=str),
                                decoded=model.decode(model.encode(text))), ensure_ascii=False) + "\n")
