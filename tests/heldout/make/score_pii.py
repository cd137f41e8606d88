#!/usr/bin/env python3
"""score_pii.py GOLD.jsonl OUT.jsonl [--split dev|eval] [--errors N] [--type T] [--trick K] [--json]
Gold span: start,end,type; optional opt (doubtful by the document: neither missed nor false when found), alts (other accepted extents), alt (other accepted types), parts (a span also counts as found when each part is found by itself).
Right = type equal (or in alt) and IoU >= 0.8. Lines of trick base64_note are not scored."""
import argparse, json
from collections import defaultdict, Counter
ap=argparse.ArgumentParser(); ap.add_argument('gold'); ap.add_argument('out'); ap.add_argument('--split'); ap.add_argument('--errors',type=int,default=0); ap.add_argument('--type'); ap.add_argument('--trick'); ap.add_argument('--json',action='store_true')
a=ap.parse_args()
iou=lambda x,y:max(0,min(x[1],y[1])-max(x[0],y[0]))/(max(x[1],y[1])-min(x[0],y[0]))
gold=[json.loads(l) for l in open(a.gold,encoding='utf-8')]; pred={}
for l in open(a.out,encoding='utf-8'):
    o=json.loads(l); pred[o['id']]=o['spans']
G=Counter();TP=Counter();FP=Counter();EX=Counter();K=Counter();KT=Counter();TR=Counter();TRF=Counter();sens=unc=0;neg=negf=0;errs=[];miss_out=0;ORP=0
CONF=Counter();MISSAS=Counter()
for o in gold:
    if a.split and o['split']!=a.split or o['trick']=='base64_note' or (a.trick and o['trick']!=a.trick): continue
    if o['id'] not in pred: miss_out+=1
    ps=[dict(p) for p in pred.get(o['id'],[])]; used=[False]*len(ps); gs=[x for x in o['spans'] if not x.get('opt')]; os_=[x for x in o['spans'] if x.get('opt')]; lost=[]
    cov=bytearray(len(o['text']))
    for p in ps:
        for i in range(p['start'],min(p['end'],len(cov))): cov[i]=1
    for g in gs:
        sens+=g['end']-g['start']; unc+=sum(1 for i in range(g['start'],g['end']) if not cov[i])
        ok=[g['type']]+g.get('alt',[]); G[g['type']]+=1
        best=-1;bv=0
        for i,p in enumerate(ps):
            v=max(iou(q,(p['start'],p['end'])) for q in [(g['start'],g['end'])]+g.get('alts',[]))
            if not used[i] and p['type'] in ok and v>bv: best,bv=i,v
        if bv>=.8:
            used[best]=True; TP[g['type']]+=1; EX[g['type']]+=bv==1
        elif g.get('parts'):
            c=[]
            for q in g['parts']:
                h=[i for i,p in enumerate(ps) if not used[i] and p['type'] in ok and iou(q,(p['start'],p['end']))>=.8]
                if h: c.append(h[0])
            if len(c)==len(g['parts']):
                for i in c: used[i]=True
                TP[g['type']]+=1; EX[g['type']]+=1
            else: lost.append(g)
        else: lost.append(g)
        if gs and o['trick']!='none' and ':' not in o['trick']:
            KT[o['trick']]+=1; K[o['trick']]+=g not in lost
    extra=[p for i,p in enumerate(ps) if not used[i] and not any(p['type'] in [x['type']]+x.get('alt',[]) and iou((x['start'],x['end']),(p['start'],p['end']))>=.8 for x in os_)]
    for p in extra: FP[p['type']]+=1
    for g in lost:
        ov=[p for p in extra if min(g['end'],p['end'])>max(g['start'],p['start'])]
        MISSAS[g['type'],ov[0]['type'] if ov else '-']+=1
    if not gs:
        neg+=1; negf+=bool(ps); TR[o['trick']]+=1; TRF[o['trick']]+=bool(ps)
    if (lost or extra) and (not a.type or any(x['type']==a.type for x in lost+extra)): errs.append((o,lost,extra))
tp=sum(TP.values());fp=sum(FP.values());g=sum(G.values())
r=lambda x,y:x/y if y else 0
rec={t:r(TP[t],G[t]) for t in G}; pre={t:r(TP[t],TP[t]+FP[t]) for t in G}; f1={t:r(2*rec[t]*pre[t],rec[t]+pre[t]) for t in G}
res=dict(split=a.split or 'all',entities=g,precision=r(tp,tp+fp),micro_recall=r(tp,g),macro_recall=r(sum(rec.values()),len(rec)),macro_f1=r(sum(f1.values()),len(f1)),exact=r(sum(EX.values()),g),evasions_caught=r(sum(K.values()),sum(KT.values())),tricks_over_90=f'{sum(K[k]>=.9*KT[k] for k in KT)}/{len(KT)}',negatives=neg,negatives_flagged=negf,traps_flagged=sum(v for k,v in TRF.items() if k!='prose'),prose_flagged=TRF['prose'],sensitive_chars=sens,uncovered=unc,uncovered_rate=r(unc,sens),no_output=miss_out)
if a.json: print(json.dumps(res)); raise SystemExit
for k,v in res.items(): print(f'{k:20s} {v:.4f}' if isinstance(v,float) else f'{k:20s} {v}')
print('\n-- by type (worst F1 first)')
for t in sorted(f1,key=lambda t:f1[t]): print(f'{t:24s} n={G[t]:4d} P={pre[t]:.3f} R={rec[t]:.3f} F1={f1[t]:.3f} exact={r(EX[t],G[t]):.3f} fp={FP[t]}')
for t in FP:
    if t not in G: print(f'{t:24s} n=   0 fp={FP[t]}')
print('\n-- evasions (worst first)')
for k in sorted(KT,key=lambda k:K[k]/KT[k]): print(f'{k:26s} {K[k]}/{KT[k]}')
print('\n-- negatives flagged')
for k in sorted(TR,key=lambda k:-TRF[k]/TR[k]): print(f'{k:26s} {TRF[k]}/{TR[k]}')
print('\n-- missed as'); 
for (t,u),n in MISSAS.most_common(40): print(f'{t:24s} -> {u:24s} {n}')
for o,lost,extra in errs[:a.errors]:
    print(f"\n[{o['id']} {o['trick']} {o.get('tpl')}]")
    for tag,l in (('MISS',lost),('EXTRA',extra)):
        for s in l:
            t=o['text']; print(f"  {tag} {s['type']}: …{t[max(0,s['start']-18):s['start']]!r} ⟦{t[s['start']:s['end']][:90]!r}⟧ {t[s['end']:s['end']+12]!r}")
