# Makes sentencepiece-options.jsonl: python make_sentencepiece_options.py 40 > sentencepiece-options.jsonl
# (sentencepiece 0.2.2; HEDDLE_DATA is the folder of staged data).
import base64, gzip, io, json, os, random, sys

import sentencepiece as spm

random.seed(7)
text=[l.rstrip('\n') for l in gzip.open(os.environ['HEDDLE_DATA'] + '/tok-sentencepiece/botchan.txt.gz','rt')][:400]
configs={
 'bytes-bpe':dict(model_type='bpe',vocab_size=400,byte_fallback=True,normalization_rule_name='identity',split_digits=True,remove_extra_whitespaces=False,user_defined_symbols=['<sep>','▁▁'],character_coverage=0.98),
 'bytes-unigram':dict(model_type='unigram',vocab_size=420,byte_fallback=True,normalization_rule_name='identity',user_defined_symbols=['<sep>','ing'],control_symbols=['<ctrl>'],character_coverage=0.98),
 'suffix':dict(model_type='unigram',vocab_size=300,normalization_rule_name='identity',treat_whitespace_as_suffix=True),
 'noprefix':dict(model_type='bpe',vocab_size=300,normalization_rule_name='identity',add_dummy_prefix=False,unk_surface='<?>'),
 'char':dict(model_type='char',vocab_size=80,normalization_rule_name='identity'),
 'word':dict(model_type='word',vocab_size=200,normalization_rule_name='identity'),
 'word-suffix':dict(model_type='word',vocab_size=200,normalization_rule_name='identity',treat_whitespace_as_suffix=True),
}
chars="abcdeThings and the ing <sep> ▁▁  12é日🚀\t.,'<>"
def rnd():
    parts=[]
    for _ in range(random.randint(0,9)):
        r=random.random()
        if r<.45: parts.append(random.choice(random.choice(text).split(' ')))
        elif r<.6: parts.append(random.choice(['<sep>','ing','<ctrl>','<s>','▁▁','  ','\u3000','日本','🚀','é','<0x41>']))
        else: parts.append(''.join(random.choice(chars) for _ in range(random.randint(0,7))))
        if random.random()<.6: parts.append(' '*random.choice([1,1,1,2,3]))
    return ''.join(parts)
for name,c in configs.items():
    out=io.BytesIO()
    spm.SentencePieceTrainer.train(sentence_iterator=iter(text),model_writer=out,minloglevel=2,hard_vocab_limit=False,self_test_sample_size=0,**c)
    sp=spm.SentencePieceProcessor(model_proto=out.getvalue())
    print(json.dumps({'model':name,'proto':base64.b64encode(out.getvalue()).decode()}))
    for i in range(int(sys.argv[1])):
        t=rnd()
        pieces=sp.encode(t,out_type=str); ids=sp.encode(t)
        rec={'text':t,'pieces':pieces,'ids':ids,'decoded':sp.decode(ids)}
        r=[random.randrange(sp.get_piece_size()) for _ in range(8)]
        rec['random']=r; rec['random_decoded']=sp.decode(r)
        print(json.dumps(rec,ensure_ascii=False))
