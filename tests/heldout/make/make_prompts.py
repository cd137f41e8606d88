import json, re, os
from collections import Counter
os.chdir(os.path.dirname(os.path.abspath(__file__)))
import values as V
V.R.seed(77)
V.G['UPW']=('x',V.urlpw); V.G['AKTAIL']=('x',lambda:V.awsak()[4:]); V.G['FWAK']=('x',lambda:''.join(chr(ord(c)+0xFEE0) for c in V.awsak()))
def ex(t): return re.sub(r'«([A-Z0-9]+)(?::([^»]*))?»',lambda m:V.G[m[1]][1](m[2]) if m[2] else V.G[m[1]][1](),t)
rows=[]
for fn in('p_code.txt','p_inj.txt','p_secret.txt'):
    for b in re.split(r'(?m)^%% ',open(fn,encoding='utf-8').read())[1:]:
        h,_,t=b.partition('\n'); lab,fam,*note=h.split(' '); rows.append((t.strip('\n'),lab,fam,' '.join(note)))
for b in re.split(r'(?m)^@@ ',open('p_allow.txt',encoding='utf-8').read())[1:]:
    fam,_,body=b.partition('\n'); cur=None
    for l in body.strip('\n').split('\n'):
        if rows and rows[-1][0].startswith('def test_blocks') and rows[-1][0].count('\n')<2: x=rows.pop(); rows.append((x[0]+'\n'+l,)+x[1:]); continue
        rows.append((l,'allow',fam,''))
seen=Counter(); c=Counter()
with open('prompts.jsonl','w',encoding='utf-8') as f:
    for i,(t,lab,fam,note) in enumerate(rows):
        k=(fam,lab); sp='dev' if c[k]%2==0 else 'eval'; c[k]+=1; seen[t]+=1
        f.write(json.dumps(dict(id='p%04d'%i,text=ex(t),label=lab,family=fam,note=note,split=sp),ensure_ascii=False)+'\n')
print(len(rows),c,[t for t in seen if seen[t]>1]); n=len(rows); print('lookalike share %.3f'%(c['benign_lookalike','allow']/n), 'deny',sum(v for k,v in c.items() if k[1]=='deny'))
