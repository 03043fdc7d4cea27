"""Small tokenizers of Hugging Face's library with what they make of texts, for TokenizerJsonTest: python make_tokenizers.py [OUT].

Each is trained here on the texts below, once for every kind of model and the parts that go with it; the parts are the
library's own. The rules of the Precompiled normalizer come from a SentencePiece model trained here, too.
"""

import io
import json
import os
import sys

import sentencepiece
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

OUT = sys.argv[1] if len(sys.argv) > 1 else "text"
os.makedirs(OUT, exist_ok=True)

CORPUS = [
    "The weaver lifted one thread, then another, and the pattern grew under her hands.",
    "The shuttle flies and the heddle lifts; threads cross threads, and cloth is made of crossing.",
    "In 1785 a loom was driven by steam; in 1804 another read its pattern from cards.",
    "Ein Faden allein ist schwach, viele Fäden zusammen sind stark und schön.",
    "Les fils se croisent, l'étoffe naît; c'était déjà ainsi il y a 7000 ans.",
    "weaving weaver weaves woven threads threading threaded lifting lifted lifts pattern patterns patterned",
    "織物は糸でできている。 Нить за нитью растёт ткань.",
] * 3
TEXTS = [
    "The weaver's threads, woven in 1804!",
    "  leading,  double  and trailing spaces  ",
    "Fäden ÄÖÜ naïve Straße ΑΣ İstanbul e\u0301",
    "unknown glyphs: 🚀 ☃ \u4e2d文 and ½",
    "<s> a [MASK] token </s>, <keep> and <KEEP> <|x|>",
    "tabs\tand\nnew lines\r\n\nend",
    "",
    " ",
    "don't can't we'll I'm do not.",
    "threadthreadthread 12345 3.14 a_b c-d",
    "\u00a0no\u00a0break\u3000wide\u200bzero",
    "織物 と Нить",
    "ends with <keep>",
    "<keep>starts",
    "x" * 120 + " y",
]


def spm_charsmap():
    """A few rules: ligatures, full-width letters."""
    path = "/tmp/heddle-rules.tsv"
    with open(path, "w") as f:
        for a, b in [("ﬁ", "fi"), ("Ａ", "A"), ("\u00a0", " "), ("\u3000", " "), ("½", "1/2"), ("ä", "ae")]:
            f.write(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n")
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(CORPUS), model_writer=out, vocab_size=120,
                                             normalization_rule_tsv=path, minloglevel=2)
    os.remove(path)
    return field(field(out.getvalue(), 3), 2)  # normalizer_spec.precompiled_charsmap


def field(message, number):
    """The bytes of a field of a protocol buffer."""
    at = 0

    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            b = message[at]
            at += 1
            value |= (b & 127) << shift
            shift += 7
            if b < 128:
                return value

    while at < len(message):
        tag = varint()
        if tag & 7 == 2:
            size = varint()
            if tag >> 3 == number:
                return message[at : at + size]
            at += size
        elif tag & 7 == 5:
            at += 4
        else:
            varint()
    raise KeyError(number)


def build():
    special = ["<s>", "</s>", "<unk>", "[MASK]"]
    yes = lambda size, **k: dict(vocab_size=size, special_tokens=special, show_progress=False, **k)

    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **yes(400)))
    yield "gpt2", t

    t = Tokenizer(models.BPE(ignore_merges=True))
    pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **yes(380)))
    t.post_processor = processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 0)])])
    t.add_tokens([AddedToken("<keep>", lstrip=True, rstrip=True), AddedToken("thread", single_word=True, normalized=False)])
    yield "llama3", t

    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    byte_tokens = [f"<0x{b:02X}>" for b in range(256)]
    t.train_from_iterator(["▁" + s.replace(" ", "▁") for s in CORPUS],
                          trainers.BpeTrainer(vocab_size=480, special_tokens=special + byte_tokens, show_progress=False))
    spec = json.loads(t.to_str())
    spec["added_tokens"] = [a for a in spec["added_tokens"] if not a["content"].startswith("<0x")]
    yield "llama2", Tokenizer.from_str(json.dumps(spec))

    t = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("isolated")])
    t.decoder = decoders.BPEDecoder()
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(end_of_word_suffix="</w>", **yes(220)))
    yield "suffix", t

    t = Tokenizer(models.BPE(unk_token="<unk>", continuing_subword_prefix="##"))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)])
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(continuing_subword_prefix="##", **yes(220)))
    yield "prefix", t

    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=260, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
                                                            show_progress=False))
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
                                                     special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    t.add_tokens([AddedToken("<Keep>", normalized=True), AddedToken("naïve", normalized=True)])
    yield "bert", t

    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False, handle_chinese_chars=False)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece(cleanup=False)
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=260, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False))
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    yield "bert_cased", t

    for name, scheme in [("unigram_always", "always"), ("unigram_first", "first"), ("unigram_never", "never")]:
        t = Tokenizer(models.Unigram())
        t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip(left=False, right=True),
                                             normalizers.Replace(Regex(" {2,}"), " ")])
        t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=scheme != "first")
        t.decoder = decoders.Metaspace(prepend_scheme=scheme)
        t.train_from_iterator(CORPUS, trainers.UnigramTrainer(unk_token="<unk>", **yes(200)))
        t.add_tokens(["<keep>"])
        yield name, t

    t = Tokenizer(models.Unigram([("<unk>", 0.0)] + [(p, -3.0 - i / 7) for i, p in enumerate(
        ["▁", "▁the", "thread", "s", "a", "e", "r", "▁wea", "ver", "1/2", "ae", "A", "f", "i"])], 0, False))
    t.normalizer = normalizers.Precompiled(spm_charsmap())
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    t.decoder = decoders.Metaspace()
    yield "precompiled", t

    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.NFKD(), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.CharDelimiterSplit(" "), pre_tokenizers.Punctuation("merged_with_previous"),
                                               pre_tokenizers.Split("-", "merged_with_next"), pre_tokenizers.Digits()])
    t.train_from_iterator(CORPUS, trainers.WordLevelTrainer(**yes(100)))
    yield "words", t

    t = Tokenizer(models.BPE(unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split("e", "removed"), pre_tokenizers.Split(Regex(r"[aeiou]+"), "contiguous"),
                                               pre_tokenizers.Split(Regex(r"\w+"), "isolated", invert=True)])
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(**yes(120)))
    yield "splits", t


rows = []
for name, t in build():
    cases = []
    for text in TEXTS:
        plain = t.encode(text, add_special_tokens=False)
        full = t.encode(text)
        cases.append(dict(text=text, ids=plain.ids, tokens=plain.tokens, sequence=full.ids, pair=t.encode(text, "a pair").ids,
                          decoded=t.decode(plain.ids, skip_special_tokens=False), text_only=t.decode(full.ids)))
    rows.append(dict(name=name, json=json.loads(t.to_str()), cases=cases))
with open(f"{OUT}/tokenizers.jsonl", "w", encoding="utf-8") as f:
    for row in rows:
        f.write(json.dumps(row, ensure_ascii=False) + "\n")
print(tokenizers.__version__, sentencepiece.__version__, [r["name"] for r in rows])
