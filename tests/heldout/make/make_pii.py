# -*- coding: utf-8 -*-
"""Blind PII corpus. Deterministic; stdlib only.  python3 make_pii.py > stats"""
import json, re, random, sys, os, base64
os.chdir(os.path.dirname(os.path.abspath(__file__)))
import values as V
from carriers import C
R=V.R; OUT=[]
def filler(k):
    k,_,a=k.partition(':')
    if k=='n': return R.choice('123456789')+V.digs(int(a)-1) if int(a)>0 else ''
    if k=='n1': return str(R.randrange(1,int(a)+1))
    if k=='n2': return '%02d'%R.randrange(1,int(a)+1)
    if k=='hex': return V.pick('0123456789abcdef',int(a))
    if k=='b64': return V.pick(V.AN+'+/',int(a))
    if k=='date': return '%d-%02d-%02d'%(R.randrange(2021,2025),R.randrange(1,13),R.randrange(1,29))
    if k=='time': return '%02d:%02d:%02d'%(R.randrange(8,22),R.randrange(60),R.randrange(60))
    if k=='year': return str(R.randrange(1985,2020))
    if k=='amt': return '%d.%02d'%(R.randrange(100,90000),R.randrange(100))
    if k=='org': return R.choice(['恒通精密制造有限公司','蓝海数智科技有限公司','远航物流集团股份有限公司','青禾农业发展有限公司','华盛医疗器械有限公司','新纪元文化传媒有限公司'])
    if k=='ord': return '2024%02d%02d'%(R.randrange(1,13),R.randrange(1,29))+V.digs(R.choice([8,12,16]))
    if k=='uuid': return V.uuid()
    if k=='badid':
        i=V.idcard(); c=i[-1]; return i[:17]+R.choice([x for x in '0123456789' if x!=c and not(c=='X' and x=='X')])
    if k=='badmd': return R.choice(['1332','0231','0431','1301'])
    if k=='badluhn':
        n=V.bank('plain'); return n[:-1]+str((int(n[-1])+R.randrange(1,9))%10)
    if k=='nobin':
        b=R.choice(['71','73','77','78','70'])+V.digs(R.choice([13,14,16])); return b+V.luhn(b)
    if k=='badvin':
        v=V.vin(); c=R.choice([x for x in '0123456789' if x!=v[8]]); return v[:8]+c+v[9:]
    raise KeyError(k)
TOK=re.compile(r'«([A-Z0-9]+)(\?)?(?::([^»]*))?»|‹([a-z0-9]+(?::\d+)?)›')
def expand(t):
    t=re.sub(r'⟦([^⟧]*)⟧',lambda m:R.choice(m[1].split('¦')),t)
    out='';sp=[];p=0
    for m in TOK.finditer(t):
        out+=t[p:m.start()];p=m.end()
        if m[4]: out+=filler(m[4]);continue
        if m[1]=='LAT':
            a,b=V.lat(),V.lng(); s=len(out); out+=a+',"lng":'+b
            sp.append(dict(start=s,end=len(out),type='GPS_COORD',parts=[[s,s+len(a)],[len(out)-len(b),len(out)]]));continue
        ty,g=V.G[m[1]]; v=g(m[3]) if m[3] else g()
        s=len(out); out+=v; d=dict(start=s,end=len(out),type=ty)
        if ty=='CN_TAX_ID':
            d['alt']=['CN_USCC'] if len(v)==18 else []
            if v[:18].isdigit() and len(v)==20: d['alt']=[]
        if ty=='CN_USCC' : d['alt']=['CN_TAX_ID']
        if ty=='PASSPORT_MRZ': d['parts']=[[s,s+44],[s+45,s+89]]
        if m[1]=='BC' and not v.startswith('62'): d['alt']=['CREDIT_CARD']
        if m[2]: d['opt']=True
        if ty=='URL_CREDENTIAL':
            h=re.match(r'\w+://[^@]+@[^/]+',v).end(); d['alts']=[[s,s+h]] if h<len(v) else []
            d['alts'] or d.pop('alts')
        if not d.get('alt'): d.pop('alt',None)
        sp.append(d)
    out+=t[p:]
    return out,sp
def emit(text,spans,trick,split,kind,tid):
    for s in spans: assert 0<=s['start']<s['end']<=len(text)
    if any(o['text']==text for o in SEEN.get(text,[])): return False
    o=dict(id='%s-%05d'%(kind,len(OUT)+1),text=text,spans=spans,trick=trick,split=split,tpl=tid)
    SEEN[text]=[o]; OUT.append(o); return True
SEEN={}
def sections(fn):
    cur=None;d={}
    for blk in re.split(r'(?m)^## ',open(fn,encoding='utf-8').read())[1:]:
        name,_,body=blk.partition('\n'); d[name.strip()]=[x.strip('\n') for x in re.split(r'(?m)^%%\n',body)]
    return d
# ---- 1. plain
for sec,ts in sections('t_short.txt').items():
    for i,t in enumerate(ts):
        n=max(2,-(-28//len(ts))) if '«' in t else 1
        for _ in range(n+ (len(ts)<10)): emit(*expand(t),'none','dev' if i%2==0 else 'eval','plain',f'{sec}/{i}')
for i,t in enumerate(re.split(r'(?m)^%%\n',open('t_long.txt',encoding='utf-8').read())):
    for _ in range(4): emit(*expand(t.strip('\n')),'none','dev' if i%2==0 else 'eval','doc',f'long/{i}')
for i,t in enumerate(re.split(r'(?m)^%%\n',open('t_mix.txt',encoding='utf-8').read())):
    for _ in range(5): emit(*expand(t.strip('\n')),'none','dev' if i%2==0 else 'eval','mix',f'mix/{i}')
# ---- 2. evasions
tr=lambda tab:(lambda v:''.join(tab.get(c,c) for c in v))
def off(base,digits='0123456789'): return {d:chr(base+i) for i,d in enumerate(digits)}
FW={chr(c):chr(c+0xFEE0) for c in range(33,127)}
CIRC={'0':'⓪',**{str(i):chr(0x2460+i-1) for i in range(1,10)}}
SUP=dict(zip('0123456789','⁰¹²³⁴⁵⁶⁷⁸⁹'))
def ins(ch,every=1): return lambda v:''.join(c+(ch if i<len(v)-1 and (i+1)%every==0 else '') for i,c in enumerate(v))
def insr(chs,p=.4):
    def f(v):
        o=v[0]; hit=False
        for c in v[1:]:
            if R.random()<p or (not hit and c==v[-1]): o+=R.choice(chs); hit=True
            o+=c
        return o
    return f
def cuts(v):
    n=len(v)
    if n==11: return [v[:3],v[3:7],v[7:]]
    if n==18: return [v[:6],v[6:14],v[14:]]
    return [v[i:i+4] for i in range(0,n,4)]
def seps(s): return lambda v:s.join(cuts(v))
def uesc(v): return ''.join('\\u%04x'%ord(c) for c in v)
def surr(v): 
    o=''
    for c in v:
        if c.isdigit():
            cp=0x1D7CE+int(c)-0x10000; o+='\\u%04x\\u%04x'%(0xD800+(cp>>10),0xDC00+(cp&0x3FF))
        else: o+=c
    return o
def bold(v):
    a=cuts(v); i=R.randrange(len(a)); a[i]='**'+a[i]+'**'; return ''.join(a)
def brk(v):
    o=R.choice(['()','[]','【】','（）']); return ''.join(o[0]+x+o[1] for x in cuts(v))
def cat(op,q='"'):
    def f(v):
        k=R.choice([4,4,len(v)//2]); a=[v[:k],v[k:]] if R.random()<.6 else [v[:k],v[k:k+8],v[k+8:]]
        return (q+op+q).join(x for x in a if x)
    return f
def arr(sp): return lambda v:('"'+sp+'"').join(cuts(v))
M=lambda:V.mob(); ID=lambda:V.idcard(); BC=lambda:V.bank('plain'); CC=lambda:V.credit('plain'); EM=V.email; N3=lambda:V.cname3(); US=V.uscc
T={'CN_MOBILE':M,'CN_ID_CARD':ID,'BANK_CARD':BC,'CREDIT_CARD':CC,'EMAIL':EM,'PERSON_NAME':N3,'CN_USCC':US}
TK={'AWS_ACCESS_KEY':V.awsak,'ALIYUN_ACCESS_KEY':V.aliak,'TENCENT_SECRET_ID':V.tcid,'GITHUB_TOKEN':lambda:'ghp_'+V.pick(V.AN,36),'GOOGLE_API_KEY':V.google,'OPENAI_API_KEY':lambda:V.openai('p'),'LLM_API_KEY':lambda:'sk-'+V.pick('0123456789abcdef',32),'STRIPE_KEY':V.stripe}
D3=['CN_MOBILE','CN_ID_CARD','BANK_CARD']; D4=D3+['CREDIT_CARD']
def ev(trick,types,fn,carr=None,n=18,gen=None,pre='',post=''):
    for k in range(n):
        ty=types[k%len(types)]
        v=(gen or T.get(ty) or TK[ty])()
        cs=C[(carr or {}).get(ty) or (ty if ty in C else 'TOKEN')]
        w=fn(v)
        half=(k//len(types))%2 if len(types)%2==0 or True else k%2
        pool=cs[half::2]; c=R.choice(pool)
        a,b=c.split('⟪X⟫')
        a+=pre; b=post+b
        d=dict(start=len(a),end=len(a)+len(w),type=ty)
        emit(a+w+b,[d],trick,'dev' if half==0 else 'eval','ev',f'{trick}/{ty}/{cs.index(c)}')
ev('fullwidth',D4+['EMAIL','CN_USCC'],tr(FW),n=24)
ev('fullwidth_token',list(TK),tr(FW),n=16)
ev('fullwidth_mixed',D4,lambda v:''.join(FW.get(c,c) if R.random()<.5 else c for c in v))
for nm,b in (('math_bold',0x1D7CE),('math_double',0x1D7D8),('math_sans',0x1D7E2),('math_sansbold',0x1D7EC),('math_mono',0x1D7F6)): ev(nm,D4,tr(off(b)),n=16)
ev('circled',D4,tr(CIRC)); ev('superscript',D4,tr(SUP)); ev('arabic_indic',D4,tr(off(0x660))); ev('ext_arabic_indic',D4,tr(off(0x6F0)))
for nm,ch in (('zwsp','\u200b'),('zwnj','\u200c'),('zwj','\u200d'),('word_joiner','\u2060'),('bom','\ufeff'),('soft_hyphen','\u00ad')): ev(nm,D3+['EMAIL','CN_USCC'],insr([ch]),n=20)
ev('zwsp_every',D4,ins('\u200b')); ev('bidi_marks',D4,insr(['\u200e','\u200f'])); ev('invisible_ops',D4,insr(['\u2061','\u2062','\u2063','\u2064']))
ev('zw_mixed',D4,insr(['\u200b','\u200c','\u2060','\ufeff','\u00ad'],.6)); ev('zw_token',list(TK),insr(['\u200b','\u2060','\ufeff','\u200d'],.15),n=24)
ev('soft_hyphen_token',list(TK),insr(['\u00ad'],.15),n=16)
ev('variation_selector',D4,ins('\ufe0f')); ev('variation_selector_misc',D4,insr(['\ufe0e','\ufe00','\ufe0f']))
ev('keycap',D3,lambda v:''.join(c+'\ufe0f\u20e3' if c.isdigit() else c for c in v)); ev('keycap_no_vs',D3,lambda v:''.join(c+'\u20e3' if c.isdigit() else c for c in v))
def cn(s): 
    def f(v): return ''.join(dict(zip('0123456789',s)).get(c,c) for c in v)
    return f
def i0(): return V.idcard(False)
ev('cn_lower',D3,cn('零一二三四五六七八九')); ev('cn_lower_ling',D3,cn('〇一二三四五六七八九')); ev('cn_lower_circle',D3,cn('○一二三四五六七八九'))
ev('cn_financial',D3,cn('零壹贰叁肆伍陆柒捌玖')); ev('cn_radio',D3,cn('洞幺两三四五六拐八勾')); ev('cn_radio_yao',['CN_MOBILE'],cn('零幺二三四五六七八九'))
for nm,s in (('sep_space',' '),('sep_nbsp','\u00a0'),('sep_thin','\u2009'),('sep_ideographic','\u3000'),('sep_hyphen','-'),('sep_u2010','‐'),('sep_endash','–'),('sep_dot','.'),('sep_middot','·'),('sep_underscore','_'),('sep_slash','/'),('sep_comma',','),('sep_fwcomma','，'),('sep_newline','\n'),('sep_space_hyphen',' - '),('sep_comma_space',', '),('sep_two',' /')):
    if len(s)==3: s='- '
    ev(nm,D4 if nm in('sep_space','sep_hyphen','sep_nbsp','sep_thin','sep_u2010') else D3,seps(s),n=16)
ev('sep_bold_part',D3,bold); ev('sep_bold_marks',D3,seps('**'),n=16); ev('sep_brackets',D3,brk)
ev('sep_star',D3,seps('*'),n=16)
for nm,s in (('every_space',' '),('every_hyphen','-'),('every_dot','.'),('every_comma',','),('every_slash','/'),('every_underscore','_')): ev(nm,['CN_ID_CARD','BANK_CARD'],ins(s),n=16)
ev('every_newline',['CN_ID_CARD','BANK_CARD'],ins('\n'),n=16)
J={'CN_MOBILE':'JSON_M','CN_ID_CARD':'JSON_ID','BANK_CARD':'JSON_BC','EMAIL':'JSON_E'}; J4=list(J)
ev('json_u',J4,uesc,J,n=24); ev('json_u_partial',J4,lambda v:v[:3]+uesc(v[3:7])+v[7:],J,n=20)
ev('json_u_double',J4,lambda v:uesc(v).replace('\\','\\\\'),J,n=20); ev('json_surrogates',['CN_MOBILE','CN_ID_CARD','BANK_CARD'],surr,J,n=18)
U={'CN_MOBILE':'URL_M','EMAIL':'URL_E','CN_ID_CARD':'URL_ID'}
ev('percent_all',list(U),lambda v:''.join('%%%02X'%ord(c) for c in v),U); ev('percent_partial',list(U),lambda v:''.join('%%%02x'%ord(c) if i%2 else c for i,c in enumerate(v)),U)
ev('html_dec',D3+['EMAIL'],lambda v:''.join('&#%d;'%ord(c) for c in v),n=20); ev('html_hex',D3+['EMAIL'],lambda v:''.join('&#x%x;'%ord(c) for c in v),n=20); ev('html_partial',D3+['EMAIL'],lambda v:''.join('&#%d;'%ord(c) if i%3==1 else c for i,c in enumerate(v)),n=16)
ev('md_code',D4,lambda v:v,pre='`',post='`'); ev('md_bold',D4+['EMAIL'],lambda v:v,pre='**',post='**',n=20)
cc={k:'CONCAT' for k in TK}
def evc(nm,op,q='"'): ev(nm,list(TK),cat(op,q),cc,n=24,pre=q,post=q)
evc('concat_plus',' + '); evc('concat_tight','+',"'"); evc('concat_dot',' . '); evc('concat_amp',' & '); evc('concat_adjacent',' '); evc('concat_newline',' +\n    ')
ev('array_elements',['CN_MOBILE','CN_ID_CARD'],arr(', '),{'CN_MOBILE':'ARRAY','CN_ID_CARD':'ARRID'},pre='["',post='"]',n=20); ev('array_tight',['CN_MOBILE','CN_ID_CARD'],arr(','),{'CN_MOBILE':'ARRAY','CN_ID_CARD':'ARRID'},pre='["',post='"]',n=16)
ev('name_spaces',['PERSON_NAME'],ins(' '),n=24); ev('name_ideographic',['PERSON_NAME'],ins('\u3000'),n=16); ev('name_zw',['PERSON_NAME'],ins('\u200b'),n=20)
for nm,x in (('x_times','×'),('x_cyrillic','х'),('x_fullwidth','Ｘ'),('x_fullwidth_lower','ｘ'),('x_lower','x'),('x_cyrillic_upper','Х')): ev(nm,['CN_ID_CARD'],lambda v,x=x:v[:-1]+x,gen=lambda:V.idcard(True),n=16)
ev('email_at_dot',['EMAIL'],lambda v:v.replace('@',' at ').replace('.',' dot ') if R.random()<.5 else v.replace('@','(at)'),gen=lambda:R.choice(['zhangwei','liming88','sales','hchen'])+'@'+R.choice(['gmail.com','example.com','qq.com','outlook.com']),n=20)
ev('email_at_dot_brackets',['EMAIL'],lambda v:v.replace('@','(at)').replace('.',' dot '),gen=lambda:R.choice(['zhangwei','liming88','sales','hchen'])+'@'+R.choice(['gmail.com','example.com','qq.com','outlook.com']),n=16)
ev('email_fw_at',['EMAIL'],lambda v:v.replace('@','＠'),n=18); ev('email_pct40',['EMAIL'],lambda v:v.replace('@','%40'),U,n=18); ev('email_u0040',['EMAIL'],lambda v:v.replace('@','\\u0040'),J,n=18)
ev('email_upper',['EMAIL'],lambda v:v.upper(),n=16); ev('email_mixed_case',['EMAIL'],lambda v:''.join(c.upper() if R.random()<.4 else c for c in v),n=16)
ev('fw_plus_sep',D3,lambda v:seps('－' if R.random()<.0 else '-')(tr(FW)(v))); ev('fw_plus_zw',D4,lambda v:insr(['\u200b'])(tr(FW)(v))); ev('circled_plus_space',D3,lambda v:seps(' ')(tr(CIRC)(v)))
ev('cn_plus_sep',D3,lambda v:seps('-')(cn('零一二三四五六七八九')(v)))
# cue keys in mixed case, secret values
for k in range(20):
    cue=R.choice([['PASSWORD','PassWord','pwD','Api-Key'],['Passwd','SECRET','ToKeN','ACCESS_key']][k%2]); sp=R.choice([': ','=',' = ','：'])
    v=V.pw(); a=R.choice([['config ',''],['服务配置 ','set ']][k%2])+cue+sp
    emit(a+v,[dict(start=len(a),end=len(a)+len(v),type='GENERIC_SECRET')],'mixed_case_cue','dev' if k%2==0 else 'eval','ev',f'mixed/{k%2}')
# PEM with escaped newlines / with spaces for newlines
for k in range(16):
    v=V.pem('esc'); a,b=[('{"key":"','"}'),("private_key: '","'"),('export PK="','"'),('私钥是 ',' 请看')][k%4]
    emit(a+v+b,[dict(start=len(a),end=len(a)+len(v),type='PRIVATE_KEY')],'pem_escaped','dev' if k%2==0 else 'eval','ev',f'pem/{k%4}')
# nested JSON in JSON string
for k in range(18):
    ty=D3[k%3]; v=T[ty](); key={'CN_MOBILE':'phone','CN_ID_CARD':'idCard','BANK_CARD':'bankCard'}[ty]
    a,b=[('{"tool_calls":[{"function":{"name":"save","arguments":"{\\"%s\\":\\"'%key,'\\"}"}}]}'),('{"payload":"{\\"data\\":{\\"%s\\":\\"'%key,'\\"}}"}')][k//3%2]
    w=v if k%2 else uesc(v).replace('\\','\\\\')
    emit(a+w+b,[dict(start=len(a),end=len(a)+len(w),type=ty)],'nested_json','dev' if k//3%2==0 else 'eval','ev',f'nested/{k//3%2}')
# base64: note only, not scored
for k in range(16):
    p=R.choice(['手机号','身份证'])+('：'+V.mob() if k%2 else '：'+V.idcard())+'，请核对一下'
    w=base64.b64encode(p.encode()).decode(); a='请解码：' if k%2 else 'decode this: '
    o=dict(start=len(a),end=len(a)+len(w),type='NOTE'); emit(a+w,[o],'base64_note','dev' if k%2==0 else 'eval','note',f'b64/{k%2}')
# ---- 3. traps
for sec,ts in sections('t_trap.txt').items():
    varied=[('‹' in t) for t in ts]; want=24; n=-(-max(0,want-varied.count(False))//max(1,varied.count(True)))
    for i,t in enumerate(ts):
        for q in range(max(3,n) if varied[i] else 1):
            x,s=expand(t); assert not s
            emit(x,[],'trap:'+sec,'dev' if i%2==0 else 'eval','trap',f'{sec}/{i}')
    # wrap constants in different frames until the kind has 20 samples
    FR=['请解释一下：%s','%s\n帮我写成一句通顺的话','问题如下\n> %s','- %s','下面这行是文档里的原文，翻译成英文：\n%s','%s （上周的记录）','Note: %s','```\n%s\n```']
    have=sum(1 for o in OUT if o['trick']=='trap:'+sec); g=0
    while have<22 and g<200:
        g+=1; i=R.randrange(len(ts)); fr=R.choice(FR[i%2::2])
        have+=emit(fr%expand(ts[i])[0],[],'trap:'+sec,'dev' if i%2==0 else 'eval','trap',f'{sec}/{i}')
# ---- 4. prose
P=[x.strip('\n') for x in re.split(r'(?m)^%%\n',open('prose.txt',encoding='utf-8').read())]
for i,p in enumerate(P): emit(p,[],'prose','dev' if i%2==0 else 'eval','prose',f'prose/{i}')
LEAD=['','','请帮我把下面的内容缩写到一半：\n\n','Proofread the following:\n\n','以下材料分成要点列出。\n\n','Compare the passages below.\n\n','给下面的文字起三个标题：\n\n']
for k in range(130):
    h=k%2; n=R.choice([2,3,3,4]); idx=R.sample(range(h,len(P),2),n)
    emit(R.choice(LEAD)+'\n\n'.join(P[i] for i in idx),[],'prose','dev' if h==0 else 'eval','prose','prose/'+'+'.join(map(str,idx)))
with open('pii.jsonl','w',encoding='utf-8') as f:
    for o in OUT: f.write(json.dumps(o,ensure_ascii=False)+'\n')
from collections import Counter
print(len(OUT),Counter(o['split'] for o in OUT))
ct=Counter((s['type']) for o in OUT for s in o['spans']); ce=Counter((s['type'],o['split']) for o in OUT for s in o['spans'])
print(len(ct),'types; <25:',[k for k,v in ct.items() if v<25]); print({k:(ce[k,'dev'],ce[k,'eval']) for k in ct})
tk=Counter(o['trick'] for o in OUT); print(len([k for k in tk if ':' not in k and k not in('none','prose','base64_note')]),'tricks; small:',{k:v for k,v in tk.items() if v<15}); print(len([k for k in tk if ':' in k]),'trap kinds',{k:v for k,v in tk.items() if ':' in k}); print('prose',tk['prose'],'plain',tk['none'])
