"""What NLTK's TreebankWordTokenizer makes of sentences, for PennWordsTest: python make_words.py [OUT]."""

import json
import os
import sys

from nltk.tokenize.treebank import TreebankWordTokenizer

OUT = sys.argv[1] if len(sys.argv) > 1 else "text"
os.makedirs(OUT, exist_ok=True)
TEXTS = [
    "The weaver didn't lift the thread; she'd cut it, hadn't she?",
    '"Quoted," he said, "and (\'nested\') too."',
    "Mr. Smith cannot pay $3.88 for 5% of the U.S. shares...",
    "I'm gonna wanna go; gimme some, lemme see. 'Tis late, 'twas early.",
    "They've said they'll come -- we're not sure: 7:30 or 8,000?",
    "A [b] {c} <d> & e @ f # g", "ends without a stop", "He left (finally.)", "He said 'no.'", "", "  ", "d'ye more'n WANNA GOTTA CANNOT",
    "the dogs' bowls and James's hat", "''odd'' ``quotes`` here", "a,b 1,2 3:4 x:y,", "Wait...what?! No--really!", "naïve café's owner won't.",
    "N'T SHOUT DON'T", "...", ".", "'", '"', "it's 'it's' \"it's\"",
]
tokenizer = TreebankWordTokenizer()
with open(f"{OUT}/penn.jsonl", "w", encoding="utf-8") as f:
    for text in TEXTS:
        f.write(json.dumps(dict(text=text, words=tokenizer.tokenize(text)), ensure_ascii=False) + "\n")
