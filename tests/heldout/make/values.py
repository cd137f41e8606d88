# -*- coding: utf-8 -*-
"""Value generators; every check digit is computed here from pii-entities.md, independently of yumen."""
import random, base64, json, datetime, string
R = random.Random(20261)
AL = string.ascii_letters; DG = string.digits; AN = AL + DG
def digs(n): return ''.join(R.choice(DG) for _ in range(n))
def pick(s, n): return ''.join(R.choice(s) for _ in range(n))
SUR = list('王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤')
COMP = ['欧阳','上官','司马','诸葛','皇甫','慕容','夏侯','令狐','公孙','东方','南宫','尉迟']
G1 = list('伟芳娜敏静丽强磊军洋勇艳杰涛超霞平刚桂鹏帆琳璐颖倩晨浩宇轩欣怡婷雪峰斌鑫凯莹蕾捷昊睿琪')
G2 = ['建国','志强','雨桐','子涵','梓萱','思远','海燕','晓明','文博','佳琪','俊杰','淑华','玉兰','春梅','国栋','宏伟','嘉豪','诗雨','一鸣','浩然','晓燕','丽娟','立新','永康','秀英','桂兰','建军','志明','雅婷','静怡','振华','天宇','若曦','书恒','明轩','家栋','婉清','慧敏','成刚','少华','启航','红梅','德胜','景行','楚涵','沐阳','芷若','世杰','怀瑾','凤霞','兆丰','宝珠','彦霖','泽宇','可欣','润东','向阳','嘉懿']
MIN = ['阿卜杜拉·买买提','古丽娜尔·艾力','迪丽热巴·吾斯曼','巴特尔·苏和','扎西·多吉','买买提明·吐尔逊','热合曼·库尔班','帕提古丽·阿不都','吾买尔·江','努尔兰·哈力克']
EN1 = ['James','Emily','Michael','Sarah','Daniel','Laura','Kevin','Rachel','Thomas','Olivia','Henry','Grace','Victor','Hannah','Samuel','Priya','Carlos','Sofia','Martin','Nina']
EN2 = ['Smith','Johnson','Whitaker','Nguyen','Patel','Garcia','Müller','Bennett','Lindqvist','Harrington','Okafor','Delgado','Fitzgerald','Novak','Marchetti','Campbell','Sørensen','Ramirez','Thornton','Ibrahim']
def cname():
    s = R.choice(COMP) if R.random() < .05 else R.choice(SUR)
    return s + (R.choice(G1) if R.random() < .3 else R.choice(G2))
def cname3(): return R.choice(SUR) + R.choice(G2)
def ename(): return R.choice(EN1) + ' ' + R.choice([x for x in EN2 if x.isascii()])
TITLES = ['先生','女士','小姐','老师','医生','经理','主任','律师','总','同学']
def ntitle(t=None): return (R.choice(COMP) if R.random()<.06 else R.choice(SUR)) + (t or R.choice(TITLES))
REG = ['110105','110108','120101','130102','140105','150102','210102','220104','230103','310115','310104','320106','320505','330106','330110','340104','350203','360102','370102','370202','410105','420106','430104','440106','440305','440307','450103','460105','500112','510107','520103','530102','540102','610113','620102','630104','640104','650102','411527','513431']
def bdate(lo=1948, hi=2008):
    return datetime.date(lo,1,1) + datetime.timedelta(days=R.randrange((hi-lo)*365))
def idc(body):
    w=[7,9,10,5,8,4,2,1,6,3,7,9,10,5,8,4,2]
    return "10X98765432"[sum(int(c)*k for c,k in zip(body,w))%11]
def idcard(x=None):
    while True:
        b = R.choice(REG)+bdate().strftime('%Y%m%d')+'%03d'%R.randrange(1,999)
        c = idc(b)
        if x is None or (c=='X')==x: return b+c
def hmt():
    b = R.choice(['810000','820000','830000'])+bdate(1960,2006).strftime('%Y%m%d')+'%03d'%R.randrange(1,400)
    return b+idc(b)
def id15(): return R.choice(REG)+bdate(1935,1982).strftime('%y%m%d')+'%03d'%R.randrange(1,999)
def fpr_new():
    b='9'+R.choice(['11','31','44','33','32'])+R.choice(['840','392','410','276','250','826','643','124','036'])+bdate(1955,2000).strftime('%Y%m%d')+'%03d'%R.randrange(1,99)
    return b+idc(b)
def fpr_old():
    return R.choice(['USA','JPN','KOR','DEU','FRA','GBR','CAN','AUS'])+R.choice(['1101','3101','4401','4403','3301','3205'])+bdate(1955,1999).strftime('%y%m%d')+digs(2)
MPRE=['134','135','136','137','138','139','147','150','151','152','157','158','159','178','182','183','184','187','188','195','198','130','131','132','145','155','156','166','175','176','185','186','196','133','149','153','173','177','180','181','189','191','193','199']
def mob():
    p=R.choice(MPRE); d=digs(8)
    if p=='134': d=R.choice('01234567')+d[1:]
    return p+d
def mobile(f=None):
    m=mob(); f=f or R.choices(['plain','dash','space','+86','+86 ','+86-','0086','86','(+86)','+86sp','86-'],[8,2,2,2,2,1,1,1,1,1,1])[0]
    a,b,c=m[:3],m[3:7],m[7:]
    return {'plain':m,'dash':f'{a}-{b}-{c}','space':f'{a} {b} {c}','+86':'+86'+m,'+86 ':'+86 '+m,'+86-':'+86-'+m,'0086':'0086'+m,'86':'86'+m,'(+86)':'(+86)'+m,'+86sp':f'+86 {a} {b} {c}','86-':f'86-{m}'}[f]
def landline(f=None):
    ac=R.choice(['010','021','020','022','023','025','027','028','029','0755','0571','0531','0512','0431','0371','0851','0898','0991','0592'])
    n=R.choice('2345678')+digs(7 if len(ac)==3 or R.random()<.6 else 6)
    f=f or R.choice(['-','-','-','(',' ','plain','ext','zhuan','（'])
    return {'-':f'{ac}-{n}','(':f'({ac}){n}','（':f'（{ac}）{n}',' ':f'{ac} {n}','plain':ac+n,'ext':f'{ac}-{n}-{R.randrange(100,9999)}','zhuan':f'{ac}-{n}转{R.randrange(100,9999)}'}[f]
CITY=[('北京市','朝阳区',''),('北京市','海淀区',''),('上海市','浦东新区',''),('上海市','徐汇区',''),('重庆市','渝北区',''),('天津市','和平区',''),('杭州市','余杭区','浙江省'),('宁波市','鄞州区','浙江省'),('南京市','鼓楼区','江苏省'),('苏州市','吴中区','江苏省'),('深圳市','南山区','广东省'),('广州市','天河区','广东省'),('佛山市','顺德区','广东省'),('成都市','武侯区','四川省'),('武汉市','洪山区','湖北省'),('长沙市','岳麓区','湖南省'),('西安市','雁塔区','陕西省'),('郑州市','金水区','河南省'),('济南市','历下区','山东省'),('青岛市','市南区','山东省'),('福州市','鼓楼区','福建省'),('合肥市','蜀山区','安徽省'),('沈阳市','皇姑区','辽宁省'),('呼和浩特市','赛罕区','内蒙古自治区'),('乌鲁木齐市','天山区','新疆维吾尔自治区'),('南宁市','青秀区','广西壮族自治区'),('昆明市','五华区','云南省'),('兰州市','城关区','甘肃省')]
ROAD=['文一西路','建国路','解放大道','中山北路','科苑路','学院路','长江西路','人民南路','望江西路','新华街','延安中路','天府大道','太白南路','龙阳大道','芙蓉中路','五一路','民族大道','东风东路','和平里北街','金水路']
EST=['阳光花园','翠湖天地','金域华府','锦绣江南','海棠公寓','紫荆苑小区','保利香槟国际','梧桐里小区','碧水云天','江南春城','中海国际社区','丽景大厦','科创大厦','福源小区']
VIL=[('河南省周口市商水县','张明乡','李庄村'),('山东省菏泽市曹县','古营集镇','大张村'),('四川省凉山彝族自治州昭觉县','比尔镇','瓦岗村'),('湖南省邵阳市隆回县','小沙江镇','龙坪村'),('贵州省黔东南苗族侗族自治州黎平县','肇兴镇','堂安村'),('江西省赣州市于都县','银坑镇','坪脑村'),('内蒙古自治区赤峰市敖汉旗','新惠镇','四家子村')]
def address(f=None):
    c,d,p=R.choice(CITY); rd=R.choice(ROAD); es=R.choice(EST); n=R.randrange(1,999)
    f=f or R.choice(['full','full','full2','noprov','short','vil','long','nong','unit','road'])
    if f=='full': return f'{p}{c}{d}{rd}{n}号{es}{R.randrange(1,30)}栋{R.randrange(1,5)}单元{R.randrange(1,33)}0{R.randrange(1,5)}室'
    if f=='full2': return f'{p}{c}{d}{rd}{n}号{R.randrange(1,9)}号楼{R.randrange(101,3204)}室'
    if f=='noprov': return f'{c}{d}{rd}{n}号{es}{R.choice("ABC")}座{R.randrange(2,30)}0{R.randrange(1,9)}室'
    if f=='short': return f'{d}{rd}{n}号{R.randrange(1,20)}幢{R.randrange(101,999)}室'
    if f=='road': return f'{c}{d}{rd}{n}号'
    if f=='vil':
        a,b,v=R.choice(VIL); return f'{a}{b}{v}{R.randrange(1,9)}组{R.randrange(1,120)}号'
    if f=='long': return f'{p}{c}{d}{R.choice(["粤海街道","麓谷街道","文晖街道","长征镇","九堡镇","新城街道"])}{rd}{n}号{es}{R.randrange(1,20)}号楼{R.randrange(1,4)}单元{R.randrange(1,28)}层{R.randrange(101,999)}室'
    if f=='nong': return f'上海市{R.choice(["徐汇区","静安区","杨浦区","闵行区"])}{R.choice(["漕溪北路","延安西路","控江路","莘松路","宜山路"])}{n}弄{R.randrange(1,60)}号{R.randrange(101,1802)}室'
    if f=='unit': return f'{c}{d}{es}{R.randrange(1,30)}栋{R.randrange(1,4)}单元{R.randrange(101,2503)}室'
def eaddress():
    return f"{R.randrange(12,9800)} {R.choice(['Maple','Oakwood','Jefferson','Sunset','Birch Hill','Lakeview','Washington','Cedar Grove','Harbor','Willow Creek'])} {R.choice(['Street','Ave','Rd','Blvd','Ln','Dr'])}{R.choice(['',', Apt 4B',', Suite 210',''])}, {R.choice(['Springfield, IL 62704','Austin, TX 78701','Portland, OR 97205','Boston, MA 02116','San Jose, CA 95112','Denver, CO 80202','Raleigh, NC 27601'])}"
def dob(f=None):
    d=bdate(); f=f or R.choice(['-','年','/','8','年0'])
    return {'-':d.isoformat(),'年':f'{d.year}年{d.month}月{d.day}日','/':d.strftime('%Y/%m/%d'),'8':d.strftime('%Y%m%d'),'年0':d.strftime('%Y年%m月%d日')}[f]
def hmpass(f=None):
    f=f or R.choice(['8','8','11'])
    return R.choice('HM')+digs(8)+('' if f=='8' else R.choice(['00','01','02','03']))
def cpass(): return R.choice(['C'+digs(8),'C'+R.choice('ABCDEFGHJKLM')+digs(7)])
def twpass(f=None):
    f=f or R.choice(['8','8','10','10B'])
    return {'8':'0'+digs(7),'10':'0'+digs(9),'10B':'0'+digs(9)+f'({R.choice("ABCDE")})'}[f]
def passport():
    return R.choice(['E'+digs(8),'E'+R.choice('ABCDEFGHJKLM')+digs(7),'G'+digs(8),R.choice(['DE','SE','PE'])+digs(7),'E'+digs(8)])
def hkpass(): return R.choice(['K'+digs(8),'KJ'+digs(7),'H'+digs(8),'MA'+digs(7)])
def mrzc(s):
    v=lambda c:0 if c=='<' else int(c) if c.isdigit() else ord(c)-55
    return str(sum(v(c)*[7,3,1][i%3] for i,c in enumerate(s))%10)
PY=['ZHANG<<XIAOHONG','LI<<MINGHAO','WANG<<JIANGUO','OUYANG<<SIYUAN','CHEN<<YUTONG','SMITH<<JOHN<ALBERT','TANAKA<<HIROSHI','MUELLER<<ANNA<LENA','LIU<<ZIHAN','XU<<WENBO']
def mrz():
    nat,l1=R.choice([('CHN','PO'),('CHN','P<'),('USA','P<'),('JPN','P<'),('GBR','P<'),('D<<','P<')])
    line1=(l1+nat+R.choice(PY)).ljust(44,'<')
    n=(passport() if nat=='CHN' else pick('CFGHJKLMNPRTVWXYZ',1)+digs(8))[:9].ljust(9,'<')
    b=bdate(1950,2005).strftime('%y%m%d'); e=bdate(2026,2035).strftime('%y%m%d'); o='<'*14
    A=n+mrzc(n); B=b+mrzc(b); E=e+mrzc(e)+o+R.choice(['<','0'])
    return line1+'\n'+A+nat+B+R.choice('MF')+E+mrzc(A+B+E)
USA_='0123456789ABCDEFGHJKLMNPQRTUWXY'
def uscc():
    b=R.choice(['91','91','91','52','12','92','93'])+R.choice(REG)
    o=R.choice(['MA'+pick(USA_,6),digs(8)]); b+=o+orgc(o)
    s=sum(USA_.index(c)*k for c,k in zip(b,[1,3,9,27,19,26,16,17,20,29,25,13,8,24,10,30,28]))
    return b+USA_[(31-s%31)%31]
def orgc(o):
    v=lambda c:int(c) if c.isdigit() else ord(c)-55
    c=11-sum(v(x)*k for x,k in zip(o,[3,7,9,10,5,8,4,2]))%11
    return 'X' if c==10 else '0' if c==11 else str(c)
def orgcode():
    o=R.choice(['MA'+pick('0123456789ABCDEFGHJKLMNPQRTUWXY',6),digs(8),digs(8)]); return o+'-'+orgc(o)
def bizlic():
    b=R.choice(REG)+digs(8); P=10
    for d in b:
        s=(P+int(d))%10 or 10; P=2*s%11
    return b+str((11-P)%10)
def taxid(f=None):
    f=f or R.choice(['15','18','20'])
    if f=='18': return uscc()
    if f=='20': return idcard(False)+'00'
    o=digs(8); return R.choice(REG)+o+orgc(o)
PROV='京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼'; PL='ABCDEFGHJKLMNPQRSTUVWXYZ'
def plate(f=None):
    f=f or R.choice(['o','o','o','neS','neL','jing','xue','gua','hk','shi','wj'])
    def body(n):
        while True:
            b=pick(PL*1+DG*6,n)
            if sum(c in PL for c in b)<=2 and any(c.isdigit() for c in b): return b
    h=R.choice(PROV)+R.choice('ABCDEFGHJK'); s=R.choice(['','·','',' '])
    if f=='o': return h+s+body(5)
    if f=='neS': return h+s.strip()+R.choice('DF')+R.choice(PL+DG)+digs(4)
    if f=='neL': return h+digs(5)+R.choice('DF')
    if f=='jing': return h+s.strip()+digs(4)+'警'
    if f=='xue': return h+s.strip()+digs(4)+'学'
    if f=='gua': return h+s.strip()+digs(4)+'挂'
    if f=='hk': return '粤Z'+s.strip()+digs(4)+R.choice('港澳')
    if f=='shi': return '使'+digs(6)
    if f=='wj': return 'WJ'+R.choice(PROV)+digs(5)
VT={**{c:i for i,c in enumerate('ABCDEFGH',1)},**{c:i for i,c in enumerate('JKLMN',1)},'P':7,'R':9,**{c:i for i,c in enumerate('STUVWXYZ',2)}}
def vin():
    b=R.choice(['LSVAA4','LFV3A2','LBV8W3','LE4WG4','LGXC16','LRWYGC','1HGCM8','WBA8E9','5YJ3E1','JTDKN3'])+pick('ABCDEFGHJKLMNPRSTUVWXYZ'+DG,2)+'0'+R.choice('ABCDEFGHJKLMNPR')+R.choice('ABCDEGHJKLMNPR')+digs(6)
    v=lambda c:int(c) if c.isdigit() else VT[c]
    s=sum(v(c)*k for c,k in zip(b,[8,7,6,5,4,3,2,10,0,9,8,7,6,5,4,3,2]))%11
    return b[:8]+('X' if s==10 else str(s))+b[9:]
def luhn(b):
    t=0
    for i,c in enumerate(reversed(b)):
        d=int(c)
        if i%2==0: d=d*2-9 if d*2>9 else d*2
        t+=d
    return str((10-t%10)%10)
def grp4(s,sep=' '): return sep.join(s[i:i+4] for i in range(0,len(s),4))
def bank(f=None):
    p=R.choice(['622202','621700','622848','621661','622588','621226','622700','621799','622262','625912','621483'])
    L=16 if p in('622588','625912','621483') else 19
    if R.random()<.1: L=R.choice([17,18])
    b=p+digs(L-7); n=b+luhn(b)
    f=f or R.choice(['plain','plain','space','dash'])
    return {'plain':n,'space':grp4(n),'dash':grp4(n,'-')}[f]
def credit(f=None):
    k=R.choice(['v','v','m','m2','a','j','d','di'])
    b={'v':'4'+R.choice(['0','5','7','9'])+digs(13),'m':'5'+R.choice('12345')+digs(13),'m2':'2'+str(R.randrange(2300,2699))[0:]+digs(10),'a':R.choice(['34','37'])+digs(12),'j':str(R.randrange(3528,3590))+digs(11),'d':R.choice(['6011','6445','6500'])+digs(11),'di':R.choice(['36','38'])+digs(11)}[k]
    if k=='m2': b=str(R.randrange(2221,2720))+digs(11)
    n=b+luhn(b); f=f or R.choice(['plain','plain','space','dash'])
    if f=='plain': return n
    s=' ' if f=='space' else '-'
    if k=='a': return n[:4]+s+n[4:10]+s+n[10:]
    if k=='di': return n[:4]+s+n[4:10]+s+n[10:]
    return grp4(n,s)
def iban(f=None):
    cc,bb=R.choice([('GB',R.choice(['WEST','BARC','NWBK'])+digs(14)),('DE',digs(18)),('FR',digs(10)+pick(DG+'ABM',11)+digs(2)),('ES',digs(20)),('NL',R.choice(['ABNA','INGB','RABO'])+digs(10)),('CH',digs(17)),('AT',digs(16)),('BE',digs(12))])
    num=int(''.join(str(int(c,36)) for c in bb+cc+'00')); n=cc+'%02d'%(98-num%97)+bb
    return n if (f or R.choice(['p','s']))=='p' else grp4(n)
USR=['zhang.wei','liming88','wangxiaoli','h.chen','sales','sofia.garcia','dev_ops','xu-jing','k.patel','li.na2019','zhouyu','t.harrington','hr-contact','yang_lei','m.novak','finance.team','qiuyue','bowen.liu']
DOM=['example.com','acme-corp.cn','163.com','qq.com','gmail.com','outlook.com','hengtong.com.cn','mail.tsinghua.edu.cn','contoso.com','northwind.io','126.com','sina.cn','bytefield.tech','yuanhang-group.com']
def email():
    u=R.choice(USR)+R.choice(['','',str(R.randrange(1,999)),'+work'])
    return u+'@'+R.choice(DOM)
def ip4(f=None):
    f=f or R.choice(['pub','pub','10','192','172'])
    o=lambda:str(R.randrange(1,254))
    return '.'.join({'pub':[R.choice(['47','8','121','203','114','36','58']),o(),o(),o()],'10':['10',o(),o(),o()],'192':['192','168',o(),o()],'172':['172',str(R.randrange(16,31)),o(),o()]}[f])
def ip6():
    h=lambda n=4:format(R.randrange(16**(n-1),16**n),'x')
    return R.choice([f'240e:{h()}:{h()}:{h()}::{h(3)}',f'2408:{h()}:{h()}:{h()}:{h()}:{h()}:{h()}:{h()}',f'fe80::{h()}:{h()}:{h()}:{h()}',f'fd12:{h()}:{h()}::{h(2)}'])
def mac(f=None):
    p=[format(R.randrange(256),'02x') for _ in range(6)]; f=f or R.choice([':',':','-','.','U'])
    if f=='.': return '.'.join(p[i]+p[i+1] for i in(0,2,4))
    if f=='U': return ':'.join(p).upper()
    return f.join(p) if f==':' else f.join(p).upper()
def imei():
    b=R.choice(['86','35','86','01'])+digs(12); return b+luhn(b)
def lat(): return '%.*f'%(R.choice([4,5,6]),R.uniform(18.2,49.9))
def lng(): return '%.*f'%(R.choice([4,5,6]),R.uniform(75.1,131.9))
def gps(f=None):
    f=f or R.choice([', ',',',' , '])
    return lat()+f+lng()
def pw():
    return R.choice([pick(AL,3)+digs(2)+R.choice('#!%^')+pick(AN,5)+R.choice('!$'),R.choice(['Winter','Panda','Rocket','Kunlun','Falcon','Yumen'])+digs(4)+R.choice('!#')+pick(AN,4),pick(AN,16)+digs(2)+'Qz'])
def urlpw(): return pick(AL,4)+digs(3)+pick(AN,5)
HOST=['db-prod.internal','pg01.corp.local','cache.svc.cluster.local','mysql-master.hengtong.com.cn','repo.example.com','nexus.intra','rm-2ze8x.mysql.rds.aliyuncs.com','mq.prod.local']
def dburl():
    p=urlpw(); h=R.choice(HOST)
    return R.choice([f'mysql://root:{p}@{h}:3306/orders',f'postgres://app:{p}@{h}:5432/crm?sslmode=require',f'postgresql://svc_bi:{p}@{h}/dw',f'mongodb+srv://admin:{p}@cluster0.ab1cd.mongodb.net/prod',f'mongodb://mg:{p}@{h}:27017/logs',f'redis://:{p}@{h}:6379/0',f'amqp://mq:{p}@{h}:5672/vhost',f'jdbc:mysql://{h}:3306/erp?user=erp_rw&password={p}',f'jdbc:postgresql://{h}:5432/hr?user=hr&password={p}'])
def urlcred():
    p=urlpw(); h=R.choice(['git.corp.cn','repo.example.com','nexus.intra','ftp.partner.com','jenkins.bytefield.tech','artifacts.northwind.io'])
    return R.choice([f'https://deploy:{p}@{h}/team/app.git',f'ftp://upload:{p}@{h}/incoming',f'http://admin:{p}@{h}:8081/repository/maven-releases/',f'https://ci-bot:{p}@{h}',f'sftp://etl:{p}@{h}:22/data',f'http://proxyuser:{p}@{h}:3128'])
def ssn():
    a=R.choice([x for x in range(100,899) if x!=666]); return f'{a}-{R.randrange(1,99):02d}-{R.randrange(1,9999):04d}'
def phone_intl():
    d=digs; n=R.choice('2345678')
    return R.choice([f'+1 (415) 555-01{d(2)}',f'+1-212-{n}{d(2)}-{d(4)}',f'+1 650 {n}{d(2)} {d(4)}',f'+44 20 7946 0{d(3)}',f'+44 7700 900{d(3)}',f'+81 3-{n}{d(3)}-{d(4)}',f'+81-90-{n}{d(3)}-{d(4)}',f'+65 9{d(3)} {d(4)}',f'+852 9{d(3)} {d(4)}',f'+886 9{d(2)} {d(3)} {d(3)}',f'+49 30 {n}{d(7)}',f'+33 6 {d(2)} {d(2)} {d(2)} {d(2)}',f'+61 4{d(2)} {d(3)} {d(3)}',f'+91 98{d(3)} {d(5)}',f'+82 10-{n}{d(3)}-{d(4)}',f'+14155550{d(3)}',f'+447700900{d(3)}',f'+8529{d(7)}'])
def hkid():
    p=R.choice(['A','B','C','G','K','P','R','Y','Z','WX','EC']); d=digs(6)
    vs=[36 if c==' ' else ord(c)-55 for c in p.rjust(2)]+[int(c) for c in d]
    c=11-sum(v*w for v,w in zip(vs,range(9,1,-1)))%11
    return f"{p}{d}({'A' if c==10 else '0' if c==11 else c})"
TWL=dict(zip('ABCDEFGHJKLMNPQRSTUVXYWZIO',range(10,36)))
def twid():
    l=R.choice(list(TWL)); b=R.choice('12')+digs(7); n=TWL[l]
    s=n//10+n%10*9+sum(int(c)*w for c,w in zip(b,range(8,0,-1)))
    return l+b+str((10-s%10)%10)
def nric():
    p=R.choice('STFGM'); d=digs(7)
    s=sum(int(c)*w for c,w in zip(d,[2,7,6,5,4,3,2]))+{'T':4,'G':4,'M':3}.get(p,0); r=s%11
    t='JZIHGFEDCBA'[r] if p in'ST' else 'XWUTRQPNMLK'[r] if p in 'FG' else 'KLJNPQRTUWX'[10-r]
    return p+d+t
def mynum(f=None):
    b=digs(11); s=0
    for i,c in enumerate(reversed(b),1): s+=int(c)*(i+1 if i<=6 else i-5)
    r=s%11; n=b+('0' if r<=1 else str(11-r))
    return n if (f or R.choice(['p','s']))=='p' else grp4(n,R.choice([' ','-']))
def rrn():
    d=bdate(1950,2003); g=R.choice('12') if d.year<2000 else R.choice('34')
    b=d.strftime('%y%m%d')+g+digs(5); s=sum(int(c)*w for c,w in zip(b,[2,3,4,5,6,7,8,9,2,3,4,5]))
    n=b+str((11-s%11)%10); return n[:6]+'-'+n[6:]
def military(): return R.choice('军士文政后装海空南北沈兰成济广武')+'字第'+digs(R.choice([6,7,8]))+'号'
def social(): return R.choice([R.choice('123456789')+digs(8),R.choice('123456789')+digs(9),R.choice('ABCDEG')+digs(8)])
def medins(): return R.choice([digs(10),digs(12),'YB'+digs(8),pick('ABCDEFH',1)+digs(9),digs(8)])
def medrec(): return R.choice([digs(8),'ZY'+digs(8),'MZ'+digs(9),'B'+digs(7),digs(10),'2024'+digs(6)])
def wechat(): return R.choice(['wxid_'+pick(string.ascii_lowercase+DG,14),R.choice(['xiaoyu','lucky','sunny','chenmo','linwu','bigfish','tea'])+R.choice(['_','-',''])+digs(4),'wx'+pick('abcdefgh',3)+digs(5)])
def qq(): return R.choice('123456789')+digs(R.choice([6,7,8,9]))
def stuid(): return R.choice(['20'+str(R.randrange(15,25))+digs(6),'20'+str(R.randrange(15,25))+digs(8),'SA'+digs(8)])
def empid(): return R.choice([digs(6),'EMP'+digs(6),'HT'+digs(6),digs(8),'A'+digs(7)])
def awsak(): return R.choice(['AKIA','AKIA','ASIA','ABIA','ACCA'])+pick('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567',16)
def awssk(): return pick(AN+'/+',40)
def aliak(): return 'LTAI'+R.choice(['5t','4F','4G',''])[:2].ljust(2,'5')+pick(AN,R.choice([18,18,10,14]))
def alisk(): return pick(AN,30)
def tcid(): return 'AKID'+pick(AN,32)
def tcsk(): return pick(AN,32)
def baidu(): return 'bce-v3/ALTAK-'+pick(AN,21)+'/'+pick('0123456789abcdef',40)
def volc(): return 'AKLT'+pick(AN,R.choice([40,44,46,48]))
def openai(f=None):
    f=f or R.choice(['l','p','s','a'])
    if f=='l': return 'sk-'+pick(AN,20)+'T3BlbkFJ'+pick(AN,20)
    return {'p':'sk-proj-','s':'sk-svcacct-','a':'sk-admin-'}[f]+pick(AN+'_-',R.choice([48,60,100]))+pick(AN,4)
def anth(): return 'sk-ant-'+R.choice(['api03','api03','admin01'])+'-'+pick(AN+'_-',93)+'AA'
def llm(): return R.choice(['sk-'+pick('0123456789abcdef',32),'hf_'+pick(AL,34),'gsk_'+pick(AN,52),'xai-'+pick(AN,80),pick('0123456789abcdef',32)+'.'+pick(AN,16),'sk-'+pick('0123456789abcdef',32)])
def gh(): return R.choice([R.choice(['ghp_','gho_','ghu_','ghs_','ghr_'])+pick(AN,36),'github_pat_'+pick(AN,22)+'_'+pick(AN,59)])
def gl(): return R.choice(['glpat-'+pick(AN+'_-',19)+pick(AN,1),'glpat-'+pick(AN+'_-',26)+pick(AN,1)+'.'+pick('0123456789abcdefghijklmnopqrstuvwxyz',9)])
def uuid(): 
    h=pick('0123456789abcdef',32); return f'{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}'
def slack(f=None):
    f=f or R.choice(['b','b','h','d','f','w'])
    return {'b':'xox'+R.choice('bp')+'-'+digs(12)+'-'+digs(13)+'-'+pick(AN,24),'h':'https://hooks.slack.com/services/T'+pick('ABCDEFGHJK'+DG,8)+'/B'+pick('ABCDEFGHJK'+DG,8)+'/'+pick(AN,24),'d':'https://oapi.dingtalk.com/robot/send?access_token='+pick('0123456789abcdef',64),'f':'https://open.feishu.cn/open-apis/bot/v2/hook/'+uuid(),'w':'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key='+uuid()}[f]
def stripe(): return R.choice(['sk','rk'])+'_'+R.choice(['live','test'])+'_'+pick(AN,R.choice([24,34,99]))
def google(): return 'AIza'+pick(AN+'_-',34)+pick(AN,1)
def b64u(o): return base64.urlsafe_b64encode(json.dumps(o,separators=(',',':')).encode()).decode().rstrip('=')
def jwt(): return b64u({'alg':R.choice(['HS256','RS256','ES256']),'typ':'JWT'})+'.'+b64u({'sub':digs(8),'role':R.choice(['admin','user','svc']),'exp':1790000000+R.randrange(9999999)})+'.'+pick(AN+'_-',42)+pick(AN,1)
def pem(f=None,n=None):
    k=R.choice(['RSA ','EC ','','OPENSSH ','DSA ','ENCRYPTED ']); nl='\\n' if f=='esc' else '\n'
    ls=[pick(AN+'+/',64) for _ in range(n or R.randrange(3,9))]+[pick(AN+'+/',R.randrange(20,50))+'==']
    return nl.join([f'-----BEGIN {k}PRIVATE KEY-----']+ls+[f'-----END {k}PRIVATE KEY-----'])
def gsecret(f=None):
    f=f or R.choice(['pw','pw','hex','b64'])
    return {'pw':pw,'hex':lambda:pick('0123456789abcdef',32),'b64':lambda:pick(AN,2)+pick(AN+'+/',28)+digs(2)}[f]()
# key -> (type, generator)
G={'ID':('CN_ID_CARD',idcard),'ID15':('CN_ID_CARD_15',id15),'HMT':('CN_HMT_RESIDENCE',hmt),'HMP':('CN_HM_PASS',hmpass),'CPASS':('CN_HM_PASS',cpass),'TWP':('CN_TW_PASS',twpass),
'FPR':('CN_FPR_ID',lambda f=None:R.choice([fpr_new,fpr_old])()),'PP':('CN_PASSPORT',passport),'HKPP':('CN_PASSPORT',hkpass),'MRZ':('PASSPORT_MRZ',mrz),'M':('CN_MOBILE',mobile),'L':('CN_LANDLINE',landline),
'N':('PERSON_NAME',cname),'NT':('PERSON_NAME',ntitle),'NE':('PERSON_NAME',ename),'NM':('PERSON_NAME',lambda:R.choice(MIN)),'A':('ADDRESS',address),'AE':('ADDRESS',eaddress),'DOB':('DATE_OF_BIRTH',dob),
'MIL':('CN_MILITARY_ID',military),'SS':('CN_SOCIAL_SECURITY',social),'MI':('MEDICAL_INSURANCE_NO',medins),'MR':('MEDICAL_RECORD_NO',medrec),'WX':('WECHAT_ID',wechat),'QQ':('QQ_ID',qq),'STU':('STUDENT_ID',stuid),'EMP':('EMPLOYEE_ID',empid),
'USCC':('CN_USCC',uscc),'ORG':('CN_ORG_CODE',orgcode),'BIZ':('CN_BIZ_LICENSE',bizlic),'TAX':('CN_TAX_ID',taxid),'PL':('CN_PLATE',plate),'VIN':('VIN',vin),'BC':('BANK_CARD',bank),'CC':('CREDIT_CARD',credit),'IBAN':('IBAN',iban),
'E':('EMAIL',email),'IP':('IP_ADDRESS',ip4),'IP6':('IP_ADDRESS',ip6),'MAC':('MAC_ADDRESS',mac),'IMEI':('IMEI',imei),'GPS':('GPS_COORD',gps),'UC':('URL_CREDENTIAL',urlcred),'DB':('DB_URL',dburl),
'SSN':('US_SSN',ssn),'PI':('PHONE_INTL',phone_intl),'HK':('HK_ID',hkid),'TW':('TW_ID',twid),'SG':('SG_NRIC',nric),'JP':('JP_MY_NUMBER',mynum),'KR':('KR_RRN',rrn),
'AK':('AWS_ACCESS_KEY',awsak),'ASK':('AWS_SECRET_KEY',awssk),'ALI':('ALIYUN_ACCESS_KEY',aliak),'ALS':('ALIYUN_SECRET_KEY',alisk),'TC':('TENCENT_SECRET_ID',tcid),'TCS':('TENCENT_SECRET_KEY',tcsk),'BD':('BAIDU_API_KEY',baidu),'VOLC':('VOLC_ACCESS_KEY',volc),
'OA':('OPENAI_API_KEY',openai),'AN':('ANTHROPIC_API_KEY',anth),'LLM':('LLM_API_KEY',llm),'GH':('GITHUB_TOKEN',gh),'GL':('GITLAB_TOKEN',gl),'SL':('SLACK_TOKEN',slack),'ST':('STRIPE_KEY',stripe),'GO':('GOOGLE_API_KEY',google),'JWT':('JWT',jwt),'PEM':('PRIVATE_KEY',pem),'GS':('GENERIC_SECRET',gsecret)}
def selftest():
    assert idc('11010519491231002')=='X' and idc('44030719880229031')=='0' and idc('81000019920517204')=='4' and idc('91184019850312301')=='8'
    assert orgc('MA5F2KQ7')=='8' and orgc('72345678')=='1' and orgc('D2143569')=='X'
    assert luhn('622202100011223344')=='9' and luhn('37828224631000')=='5' and luhn('49015420323751')=='8'
    assert mrzc('E12345678')=='2' and mrzc('740812')=='2' and mrzc('L898902C3')=='6'
    b='91350100M000100Y4'; s=sum(USA_.index(c)*k for c,k in zip(b,[1,3,9,27,19,26,16,17,20,29,25,13,8,24,10,30,28])); assert USA_[(31-s%31)%31]=='3'
    for b,c in (('11010800000001','6'),('31011500023456','5')):
        P=10
        for d in b:
            t=(P+int(d))%10 or 10; P=2*t%11
        assert str((11-P)%10)==c,b
    def f(p,d): 
        vs=[36 if c==' ' else ord(c)-55 for c in p.rjust(2)]+[int(c) for c in d]; return (11-sum(v*w for v,w in zip(vs,range(9,1,-1)))%11)
    assert f('A','123456')==3 and f('WX','654321')==7
    n=TWL['A']; assert (n//10+n%10*9+sum(int(c)*w for c,w in zip('12345678',range(8,0,-1)))+9)%10==0
    assert TWL['I']==34 and TWL['O']==35 and TWL['W']==32 and TWL['Z']==33
    s=sum(int(c)*w for c,w in zip('1234567',[2,7,6,5,4,3,2])); assert 'JZIHGFEDCBA'[s%11]=='D' and 'JZIHGFEDCBA'[(s+4)%11]=='J' and 'XWUTRQPNMLK'[s%11]=='N' and 'XWUTRQPNMLK'[(s+4)%11]=='X' and 'KLJNPQRTUWX'[10-(s+3)%11]=='K'
    for k,(t,g) in G.items():
        for _ in range(30): g()
selftest()
