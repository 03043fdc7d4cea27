"""What the originals say of small texts, for the tests of io.heddle.metrics: python make_metrics.py [OUT].

Text metrics by sacrebleu; ROUGE by torchmetrics with sentences cut at newlines (as google-research's rouge_score cuts them)
and stems by nltk; SQuAD 2.0 by transformers' copy of the official script; the rest by scikit-learn, scipy and torchmetrics.
The sentences are made up here; "systems" are their distortions, drawn by a fixed seed.
"""

import json
import os
import random
import sys

import numpy as np
import sacrebleu
import scipy.stats
import torch
from nltk.stem.porter import PorterStemmer
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.significance import PairedTest
from sklearn import metrics as sk
from torchmetrics.functional.classification import binary_calibration_error
from torchmetrics.functional.text import rouge as tm_rouge
from transformers.data.metrics.squad_metrics import squad_evaluate

OUT = sys.argv[1] if len(sys.argv) > 1 else "metrics"
os.makedirs(OUT, exist_ok=True)

SENTENCES = [
    "The weaver lifted one thread, then another, and the pattern grew.",
    "It cost 1,234.56 dollars (about 5% less than in 2019-20), didn't it?",
    'He said: "No-one knows what\'s behind the door at 7:30 p.m."',
    "Der Zug fährt um 12.45 Uhr ab; die Türen schließen selbsttätig.",
    "L'été dernier, nous étions à Orléans – c'était très agréable !",
    "¿Quién vive en la casa número 3.000,5? ¡Nadie!",
    "我们明天上午10点在北京站见面，好吗？ OK!",
    "Она прочитала «Войну и мир» за 14 дней.",
    "a b a b a b c c c",
    "The cat sat on the mat and the dog sat on the log and the cat saw the dog.",
    "x = y + 3 * (z - 1) / 2 && w || v; price: €5, £6, ¥700, 50°C",
    "Rates rose by 0.25 points.Then they fell, again, by 1/2 a point.",
    "&quot;Escapes&quot; &amp; entities &lt;b&gt; are kept as they are",
    "word",
    "  spaces   in front\u00a0and\u3000between  ",
    "東京タワーは333メートルです。とても高い！",
    "Naïve café owners co-operate; state-of-the-art rock'n'roll isn't dead.",
    "Unicode: ½ ² Ⅷ ٣ ” “ … — ‐ ＡＢＣ 🚀 e\u0301",
]
# A combining accent, Roman numerals and emoji above show where tokenizers look at code points.


def distorted(rng, sentence, strength):
    words = sentence.split()
    for _ in range(max(1, int(strength * len(words)))):
        if not words:
            break
        kind = rng.randrange(5)
        i = rng.randrange(len(words))
        if kind == 0 and len(words) > 1:
            del words[i]
        elif kind == 1:
            words.insert(i, rng.choice(["the", "very", words[i], "zug", ","]))
        elif kind == 2:
            words[i] = words[i][::-1] if len(words[i]) < 4 else words[i][:-1]
        elif kind == 3:
            words[i] = words[i].upper()
        else:  # move a run
            n = rng.randint(1, 4)
            run = words[i : i + n]
            del words[i : i + n]
            j = rng.randrange(len(words) + 1)
            words[j:j] = run
    return " ".join(words)


rng = random.Random(20261126)
REFS = [SENTENCES, [distorted(rng, s, 0.2) for s in SENTENCES]]
SYSTEMS = [
    [distorted(rng, s, 0.15) for s in SENTENCES],
    [distorted(rng, s, 0.4) for s in SENTENCES],
    [distorted(rng, s, 1.0) for s in SENTENCES],
    [s if i % 2 else "" for i, s in enumerate(SENTENCES)],
]
# Long segments with much to shift, where tercom's limits begin to count.
BASE = ("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty a b c d e f g h i j k l m n o p q r s t u v w x y z").split()


def long_segment(rng, n, shifts):
    words = [rng.choice(BASE) if rng.random() < 0.3 else BASE[i % len(BASE)] for i in range(n)]
    other = list(words)
    for _ in range(shifts):
        i = rng.randrange(len(other))
        run = other[i : i + rng.randint(1, 12)]
        del other[i : i + len(run)]
        j = rng.randrange(len(other) + 1)
        other[j:j] = run
        if rng.random() < 0.5:
            other[rng.randrange(len(other))] = "zz"
    return " ".join(words), " ".join(other)


LONG = [long_segment(rng, n, k) for n, k in [(40, 2), (60, 4), (90, 6), (120, 8), (7, 3), (30, 30)]]
LONG += [("a " * 80, "b " * 3), ("b " * 3, "a " * 80), ("a b " * 40, "b a " * 40)]

corpora = {"refs": REFS, "systems": SYSTEMS, "long_hyps": [o for _, o in LONG], "long_refs": [w for w, _ in LONG]}
with open(f"{OUT}/texts.json", "w", encoding="utf-8") as f:
    json.dump(corpora, f, ensure_ascii=False, indent=0)

rows = []
BLEU_OPTIONS = [dict(tokenize=t) for t in ["13a", "intl", "char", "zh", "none"]]
BLEU_OPTIONS += [dict(lowercase=True), dict(smooth_method="none"), dict(smooth_method="floor"), dict(smooth_method="add-k"),
                 dict(smooth_method="floor", smooth_value=0.5), dict(effective_order=True, tokenize="zh", lowercase=True)]
CHRF_OPTIONS = [{}, dict(word_order=2), dict(beta=3, char_order=4), dict(whitespace=True, lowercase=True),
                dict(eps_smoothing=True, word_order=1)]
TER_OPTIONS = [{}, dict(normalized=True), dict(normalized=True, asian_support=True, case_sensitive=True),
               dict(no_punct=True), dict(no_punct=True, asian_support=True, normalized=True)]
for cls, name, options in [(BLEU, "bleu", BLEU_OPTIONS), (CHRF, "chrf", CHRF_OPTIONS), (TER, "ter", TER_OPTIONS)]:
    for opt in options:
        for nrefs in [1, 2]:
            m = cls(**opt)
            for k, hyps in enumerate(SYSTEMS):
                s = m.corpus_score(hyps, REFS[:nrefs])
                e = dict(metric=name, options=opt, nrefs=nrefs, system=k, score=s.score, name=s.name,
                         verbose=s._verbose, signature=str(m.get_signature()))
                e["sentences"] = [m.sentence_score(h, [r[i] for r in REFS[:nrefs]]).score for i, h in enumerate(hyps)]
                rows.append(e)
ter = TER()
rows.append(dict(metric="ter_long", edits=[ter.sentence_score(h, [w]).num_edits for w, h in LONG]))
for cls, name in [(BLEU, "bleu"), (CHRF, "chrf"), (TER, "ter")]:
    sigs, scores = PairedTest([("a", SYSTEMS[1]), ("b", SYSTEMS[0]), ("c", SYSTEMS[2])], {name: cls()}, REFS, test_type="bs",
                              n_samples=1000)()
    for key, results in scores.items():
        if key != "System":
            rows.append(dict(metric="paired", of=name, systems=[1, 0, 2],
                             results=[[r.score, r.p_value, float(r.mean), float(r.ci)] for r in results]))
with open(f"{OUT}/translation.jsonl", "w", encoding="utf-8") as f:
    for row in rows:
        f.write(json.dumps(row, ensure_ascii=False) + "\n")

# ROUGE.
tm_rouge._split_sentence = lambda text: [s for s in text.split("\n") if s]
SUMMARIES = ["\n".join(SENTENCES[i : i + 3]) for i in range(0, len(SENTENCES), 3)]
PREDICTIONS = ["\n".join(distorted(rng, s, 0.5) for s in rng.sample(SENTENCES, 3)) for _ in SUMMARIES]
MIXED = [s if i % 2 else p for i, (s, p) in enumerate(zip(SUMMARIES, PREDICTIONS))] + ["", "no word in common", "!!!"]
TARGETS = SUMMARIES[: len(MIXED) - 3] + ["empty prediction", "", "..."]
rouge = []
for stem in [False, True]:
    for hyp, ref in zip(MIXED + PREDICTIONS, TARGETS + SUMMARIES):
        s = tm_rouge.rouge_score(hyp, ref, use_stemmer=stem, rouge_keys=("rouge1", "rouge2", "rouge3", "rougeL", "rougeLsum"))
        rouge.append(dict(stem=stem, hypothesis=hyp, reference=ref, scores={k: float(v) for k, v in s.items()}))
with open(f"{OUT}/rouge.jsonl", "w", encoding="utf-8") as f:
    for row in rouge:
        f.write(json.dumps(row, ensure_ascii=False) + "\n")

# Stems: every rule's suffix on several stems, and the words that the algorithm's papers discuss.
stemmer = PorterStemmer()
SUFFIXES = ("s sses ies ss eed ed ing ied y ational tional enci anci izer bli alli entli eli ousli ization ation ator alism "
            "iveness fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence er ic "
            "able ible ant ement ment ent ion ou ism ate iti ous ive ize e ll").split()
STEMS = "t re tr cat trouble hop fall fil syzyg y yy oat relat electr adopt communis controll b1x theo archaeo".split()
words = sorted({st + su for st in STEMS for su in SUFFIXES} | set(
    "sky skies dying lying tying news innings outing cannings howe proceed exceed succeed flies dies spied enjoy enjoyment "
    "generalizations oscillators happiness radically formally vietnamization roll rolling yay yayed toy syzygy".split()))
with open(f"{OUT}/stems.txt", "w", encoding="utf-8") as f:
    for w in words:
        f.write(f"{w} {stemmer.stem(w)}\n")


# SQuAD 2.0.
class Example:
    def __init__(self, qas_id, answers):
        self.qas_id, self.answers = qas_id, [{"text": a} for a in answers]


QUESTIONS = [("The Cat!", ["a cat", "cats"], 0.1), ("", [], 0.9), ("wrong", [], 0.4), ("", ["right"], 0.7),
             ("two right words", ["right words here"], 0.2), ("the", ["an"], 0.3), ("x", ["the"], 0.6), ("", ["a"], 0.5),
             ("Ünïcode—dash", ["ünïcode dash", "ünïcode—dash"], 0.55), ("the theory", ["theory"], 0.05),
             ("say say say", ["say it", "say say"], 0.15), ("unsure", ["unsure"], 0.95)]
examples = [Example(str(i), a) for i, (_, a, _) in enumerate(QUESTIONS)]
preds = {str(i): p for i, (p, _, _) in enumerate(QUESTIONS)}
probs = {str(i): n for i, (_, _, n) in enumerate(QUESTIONS)}
squad = {str(t): squad_evaluate(examples, preds, probs, t) for t in [1.0, 0.5]}
other = dict(squad_v2=dict(questions=QUESTIONS, expected=squad))

# Labels, pairs, scores.
g = np.random.default_rng(7)
t3, p3 = g.integers(0, 4, 200), g.integers(0, 4, 200)
p3 = np.where(g.random(200) < 0.6, t3, p3)
other["classification"] = dict(
    targets=t3.tolist(), predictions=p3.tolist(), accuracy=sk.accuracy_score(t3, p3),
    macro=sk.f1_score(t3, p3, average="macro"), micro=sk.f1_score(t3, p3, average="micro"),
    weighted=sk.f1_score(t3, p3, average="weighted"), per_class=sk.f1_score(t3, p3, average=None).tolist(),
    precision=sk.precision_score(t3, p3, average=None).tolist(), recall=sk.recall_score(t3, p3, average=None).tolist(),
    micro_without_0=sk.f1_score(t3, p3, average="micro", labels=[1, 2, 3]),
    mcc=sk.matthews_corrcoef(t3, p3))
x = g.normal(size=120).round(1)
y = (0.6 * x + g.normal(size=120)).round(1)
other["correlation"] = dict(x=x.tolist(), y=y.tolist(), pearson=scipy.stats.pearsonr(x, y)[0],
                            spearman=scipy.stats.spearmanr(x, y)[0])
lab = (g.random(150) < 0.4).astype(int)
sc = (g.normal(size=150) + lab).round(1)
other["ranking"] = dict(labels=lab.tolist(), scores=sc.tolist(), auc=sk.roc_auc_score(lab, sc),
                        ap=sk.average_precision_score(lab, sc))
conf = g.random(400)
right = (g.random(400) < conf**1.5).astype(int)
pred_conf = torch.tensor(conf, dtype=torch.float64)
other["calibration"] = dict(confidence=conf.tolist(), correct=right.tolist(), bins=15,
                            ece=float(binary_calibration_error(pred_conf, torch.tensor(right), n_bins=15, norm="l1")),
                            mce=float(binary_calibration_error(pred_conf, torch.tensor(right), n_bins=15, norm="max")))
counts = [(10, 0), (10, 10), (10, 3), (20, 1), (7, 2)]
other["pass_at_k"] = dict(problems=counts, k=[1, 3, 7], expected=[
    float(np.mean([1.0 if n - c < k else 1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1)) for n, c in counts])) for k in [1, 3, 7]])
r = np.random.default_rng(12345)
other["draws"] = dict(seed=12345, bound=1015, first=r.choice(1015, size=40, replace=True).tolist(),
                      seed2=2**40 + 3, bound2=3000000000 // 2, first2=np.random.default_rng(2**40 + 3).choice(3000000000 // 2, size=10).tolist())
with open(f"{OUT}/other.json", "w", encoding="utf-8") as f:
    json.dump(other, f, ensure_ascii=False)
    f.write("\n")
print(sacrebleu.__version__, len(rows), len(rouge), len(words))
