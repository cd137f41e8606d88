//! Whole documents, each with findings of several types: contracts, records, dumps, logs, letters, code.
//!
//! `⟦TYPE⟧` stands for a value. Used by halves, as the contexts are.

use super::contexts::Split;
use super::random::Random;
use super::{Sample, values};

const DOCUMENTS: &[&str] = &[
    "兹介绍我单位职工姓名：⟦PERSON_NAME⟧（身份证号：⟦CN_ID_CARD⟧）前往贵处办理业务，请予接洽。",
    "尾号对不上，麻烦核对：持卡人⟦PERSON_NAME⟧，卡号⟦BANK_CARD⟧，预留手机⟦CN_MOBILE⟧。",
    "INSERT INTO customers (id, name, id_no, mobile) VALUES (17, '⟦PERSON_NAME⟧', '⟦CN_ID_CARD⟧', '⟦CN_MOBILE⟧');",
    "甲方：华盛医疗器械有限公司\n统一社会信用代码：⟦CN_USCC⟧\n乙方（承租人）：⟦PERSON_NAME⟧\n身份证号码：⟦CN_ID_CARD⟧\n联系电话：⟦CN_MOBILE⟧",
    "出租人（甲方）：⟦PERSON_NAME⟧，承租人（乙方）：⟦PERSON_NAME⟧，双方就位于⟦ADDRESS⟧的房屋达成如下协议。",
    "[2024-06-11 09:31:07.112] WARN  auth - login failed user=⟦EMAIL⟧ ip=⟦IP_ADDRESS⟧ device=⟦IMEI⟧",
    "姓名,手机,邮箱\n⟦PERSON_NAME⟧,⟦CN_MOBILE⟧,⟦EMAIL⟧\n⟦PERSON_NAME⟧,⟦CN_MOBILE⟧,⟦EMAIL⟧\n",
    "| 工号 | 姓名 | 手机号 |\n| --- | --- | --- |\n| ⟦EMPLOYEE_ID⟧ | ⟦PERSON_NAME⟧ | ⟦CN_MOBILE⟧ |\n| ⟦EMPLOYEE_ID⟧ | ⟦PERSON_NAME⟧ | ⟦CN_MOBILE⟧ |\n",
    "患者⟦PERSON_NAME⟧，女，46岁，住院号⟦MEDICAL_RECORD_NO⟧，医保卡号⟦MEDICAL_INSURANCE_NO⟧，主诉反复咳嗽三周。",
    "主诊医生：⟦PERSON_NAME⟧\n病历号：⟦MEDICAL_RECORD_NO⟧\n家属电话：⟦CN_MOBILE⟧\n诊断：急性支气管炎",
    "{\"user\":{\"realName\":\"⟦PERSON_NAME⟧\",\"idCard\":\"⟦CN_ID_CARD⟧\",\"mobile\":\"⟦CN_MOBILE⟧\",\"address\":\"⟦ADDRESS⟧\"}}",
    "<person><name>⟦PERSON_NAME⟧</name><idNo>⟦CN_ID_CARD⟧</idNo><phone>⟦CN_MOBILE⟧</phone></person>",
    "customer:\n  name: ⟦PERSON_NAME⟧\n  phone: \"⟦CN_MOBILE⟧\"\n  id_card: ⟦CN_ID_CARD⟧\n  email: ⟦EMAIL⟧\n",
    "[db]\nhost = ⟦IP_ADDRESS⟧\nuser = root\npassword = ⟦GENERIC_SECRET⟧\nurl = ⟦DB_URL⟧\n",
    "export OPENAI_API_KEY=⟦OPENAI_API_KEY⟧\nexport GITHUB_TOKEN=⟦GITHUB_TOKEN⟧\n",
    "curl -H 'Authorization: Bearer ⟦JWT⟧' https://api.example.com/v1/me",
    "curl https://api.openai.com/v1/models -H \"Authorization: Bearer ⟦OPENAI_API_KEY⟧\"",
    "client = OpenAI(api_key=\"⟦LLM_API_KEY⟧\", base_url=\"https://api.deepseek.com\")",
    "aws_access_key_id = ⟦AWS_ACCESS_KEY⟧\naws_secret_access_key = ⟦AWS_SECRET_KEY⟧\nregion = cn-north-1\n",
    "ALIYUN_AK: ⟦ALIYUN_ACCESS_KEY⟧\nALIYUN_ACCESS_KEY_SECRET: ⟦ALIYUN_SECRET_KEY⟧\n",
    "secretId: ⟦TENCENT_SECRET_ID⟧\ntencentSecretKey: ⟦TENCENT_SECRET_KEY⟧\n",
    "git clone ⟦URL_CREDENTIAL⟧/team/repo.git 之后跑 make 就行",
    "把这个私钥放到 ~/.ssh/id_rsa：\n⟦PRIVATE_KEY⟧\n然后 chmod 600",
    "您好，我是⟦PERSON_NAME⟧，简历见附件，邮箱⟦EMAIL⟧，微信号⟦WECHAT_ID⟧，期待回复。",
    "加我微信⟦WECHAT_ID⟧或者QQ⟦QQ_ID⟧都行，晚上八点以后在线。",
    "学生⟦PERSON_NAME⟧（学号⟦STUDENT_ID⟧）申请缓考，监护人电话⟦CN_MOBILE⟧。",
    "学号：⟦STUDENT_ID⟧\n姓名：⟦PERSON_NAME⟧\n身份证件号：⟦CN_ID_CARD⟧\n录取专业：临床医学",
    "乘机人⟦PERSON_NAME⟧，护照号⟦CN_PASSPORT⟧，出生日期⟦DATE_OF_BIRTH⟧，航班CA1831。",
    "旅客证件识别结果：\n⟦PASSPORT_MRZ⟧\n请核对姓名拼音",
    "车主⟦PERSON_NAME⟧的车牌⟦CN_PLATE⟧，车架号⟦VIN⟧，昨天在二环追尾。",
    "报案人⟦PERSON_NAME⟧称其于6月3日驾驶⟦CN_PLATE⟧小型轿车途经此处，联系电话⟦CN_MOBILE⟧。",
    "被告人⟦PERSON_NAME⟧，男，⟦DATE_OF_BIRTH⟧出生，公民身份号码⟦CN_ID_CARD⟧，住⟦ADDRESS⟧。",
    "收件人：⟦PERSON_NAME⟧\n电话：⟦CN_MOBILE⟧\n地址：⟦ADDRESS⟧\n备注：放门口",
    "⟦PERSON_NAME⟧ ⟦CN_MOBILE⟧ ⟦ADDRESS⟧",
    "寄件人⟦PERSON_NAME⟧，⟦CN_MOBILE⟧，⟦ADDRESS⟧，保价500元。",
    "收款户名：⟦PERSON_NAME⟧\n收款账号：⟦BANK_CARD⟧\n开户行：建设银行上海分行",
    "请把尾款打到这个账户 ⟦BANK_CARD⟧ ，户名⟦PERSON_NAME⟧，谢谢",
    "Card number ⟦CREDIT_CARD⟧, exp 09/27, please update my subscription.",
    "Beneficiary IBAN: ⟦IBAN⟧, swift DEUTDEFF, amount EUR 1,200.00",
    "My SSN is ⟦US_SSN⟧ and my phone is ⟦PHONE_INTL⟧.",
    "Tenant NRIC ⟦SG_NRIC⟧, contact ⟦PHONE_INTL⟧.",
    "香港居民，身份证⟦HK_ID⟧，回乡证号⟦CN_HM_PASS⟧，来深圳看病。",
    "客户持台胞证⟦CN_TW_PASS⟧办理开户，台湾身份证字号⟦TW_ID⟧。",
    "外籍员工永久居留身份证号码⟦CN_FPR_ID⟧，护照号码另附。",
    "マイナンバー：⟦JP_MY_NUMBER⟧、電話⟦PHONE_INTL⟧",
    "주민등록번호: ⟦KR_RRN⟧",
    "士兵证号：⟦CN_MILITARY_ID⟧，请按军人优先通道办理。",
    "社保卡号⟦CN_SOCIAL_SECURITY⟧，请问怎么查余额？",
    "开票信息：名称：蓝海数智科技有限公司，税号：⟦CN_TAX_ID⟧，电话：⟦CN_LANDLINE⟧",
    "营业执照注册号：⟦CN_BIZ_LICENSE⟧；组织机构代码：⟦CN_ORG_CODE⟧；成立日期：2009年3月12日",
    "供应商信用代码 ⟦CN_USCC⟧ ，法定代表人：⟦PERSON_NAME⟧，办公电话 ⟦CN_LANDLINE⟧",
    "host ⟦IP_ADDRESS⟧ mac ⟦MAC_ADDRESS⟧ lease 86400",
    "arp -a\n? (⟦IP_ADDRESS⟧) at ⟦MAC_ADDRESS⟧ on en0 ifscope [ethernet]",
    "server {\n    listen 80;\n    set_real_ip_from ⟦IP_ADDRESS⟧;\n}",
    "定位结果 lat/lng：⟦GPS_COORD⟧，误差 15 米",
    "Slack 机器人 token 是 ⟦SLACK_TOKEN⟧ ，频道 #ops",
    "stripe.api_key = '⟦STRIPE_KEY⟧'\nmaps_key = '⟦GOOGLE_API_KEY⟧'",
    "CI_JOB_TOKEN=⟦GITLAB_TOKEN⟧ GITHUB_TOKEN=⟦GITHUB_TOKEN⟧ ./deploy.sh",
    "千帆 api key：⟦BAIDU_API_KEY⟧\n火山 AK：⟦VOLC_ACCESS_KEY⟧",
    "ANTHROPIC_API_KEY=⟦ANTHROPIC_API_KEY⟧",
    "数据库连接串 ⟦DB_URL⟧ ，不要提交到仓库",
    "管理员初始密码：⟦GENERIC_SECRET⟧，首次登录请修改。",
    "\"password\": \"⟦GENERIC_SECRET⟧\",\n\"email\": \"⟦EMAIL⟧\"",
    "客服：请问您贵姓？\n用户：免贵姓王，手机号⟦CN_MOBILE⟧\n客服：好的，核对下身份证⟦CN_ID_CARD⟧",
    "用户：我叫⟦PERSON_NAME⟧，电话⟦CN_MOBILE⟧，住⟦ADDRESS⟧，上门取件。",
    "To: ⟦EMAIL⟧\nCc: ⟦EMAIL⟧\nSubject: 合同盖章\n\n您好：\n附件请查收，如有问题请拨打⟦CN_LANDLINE⟧。",
    "会议纪要\n参会人：⟦PERSON_NAME⟧、⟦PERSON_NAME⟧、⟦PERSON_NAME⟧\n主持人：⟦PERSON_NAME⟧",
    "紧急联系人：⟦PERSON_NAME⟧（父亲）⟦CN_MOBILE⟧",
    "id\tname\tmobile\tid_card\n1\t⟦PERSON_NAME⟧\t⟦CN_MOBILE⟧\t⟦CN_ID_CARD⟧\n2\t⟦PERSON_NAME⟧\t⟦CN_MOBILE⟧\t⟦CN_ID_CARD⟧\n",
    "\"姓名\",\"身份证号\",\"银行卡号\"\n\"⟦PERSON_NAME⟧\",\"⟦CN_ID_CARD⟧\",\"⟦BANK_CARD⟧\"\n",
    "name=⟦PERSON_NAME⟧&mobile=⟦CN_MOBILE⟧&idcard=⟦CN_ID_CARD⟧&ts=1718000000",
    "户主⟦PERSON_NAME⟧，户籍地址⟦ADDRESS⟧，联系方式⟦CN_MOBILE⟧。",
    "申请人⟦PERSON_NAME⟧因购房需要提取公积金，身份证⟦CN_ID_CARD⟧，收款卡⟦BANK_CARD⟧。",
    "保单号 PDAA202411010001，投保人⟦PERSON_NAME⟧，被保险人⟦PERSON_NAME⟧，受益人⟦PERSON_NAME⟧。",
    "提取下列文字中的姓名和电话：⟦PERSON_NAME⟧，⟦CN_MOBILE⟧",
    "请把下面这段话翻译成英文：我的身份证号码是⟦CN_ID_CARD⟧，请帮我预约周三的体检。",
    "订单 20240611093107001234 的收货电话改成 ⟦CN_MOBILE⟧ ，地址不变。",
    "def test_login():\n    user = User(phone=\"⟦CN_MOBILE⟧\", email=\"⟦EMAIL⟧\")\n    assert user.valid()",
    "const cfg = { apiKey: '⟦GOOGLE_API_KEY⟧', token: '⟦GITHUB_TOKEN⟧' };",
    "String id = \"⟦CN_ID_CARD⟧\"; // 测试数据",
    "身份证正反面已上传，号码⟦CN_ID_CARD⟧，有效期至2035.06.11，签发机关：杭州市公安局西湖分局",
    "麻烦把⟦PERSON_NAME⟧的电话⟦CN_MOBILE⟧发给你。",
    "班级群接龙：\n1. ⟦PERSON_NAME⟧ ⟦CN_MOBILE⟧\n2. ⟦PERSON_NAME⟧ ⟦CN_MOBILE⟧\n3. ⟦PERSON_NAME⟧ ⟦CN_MOBILE⟧",
    "Passenger: ⟦PERSON_NAME⟧, passport ⟦CN_PASSPORT⟧, seat 14C",
    "2024/05/07 18:22:01 [error] client: ⟦IP_ADDRESS⟧, server: api.example.com, request: \"GET /u?mobile=⟦CN_MOBILE⟧ HTTP/1.1\"",
    "nginx: ⟦IP_ADDRESS⟧ - - [11/Jun/2024:09:31:07 +0800] \"POST /login\" 200 512",
    "kubectl create secret generic db --from-literal=password=⟦GENERIC_SECRET⟧",
    "redis-cli -u ⟦DB_URL⟧ ping",
    "座机打不通就打⟦CN_LANDLINE⟧，或者手机⟦CN_MOBILE⟧。",
    "工号⟦EMPLOYEE_ID⟧的同事请到人力资源部领取工牌。",
    "员工编号：⟦EMPLOYEE_ID⟧，社保账号：⟦CN_SOCIAL_SECURITY⟧，入职日期：2021-07-01",
    "医保个人编号：⟦MEDICAL_INSURANCE_NO⟧ 参保地：苏州",
    "设备串号 ⟦IMEI⟧ ，保修到明年三月",
    "车辆识别代号：⟦VIN⟧ 号牌号码：⟦CN_PLATE⟧ 发动机号：略",
    "出生年月：⟦DATE_OF_BIRTH⟧ 民族：汉 籍贯：湖南长沙",
    "mysqldump --host ⟦IP_ADDRESS⟧ --password ⟦GENERIC_SECRET⟧ shop > shop.sql",
    "GET /callback?token=⟦GENERIC_SECRET⟧&state=7 HTTP/1.1",
    "企业邮箱授权码：⟦GENERIC_SECRET⟧，收件服务器 imap.example.com",
    "我同事⟦PERSON_NAME⟧的手机号是⟦CN_MOBILE⟧，你直接联系他就行。",
    "家长您好，孩子的准考证号是⟦STUDENT_ID⟧，请妥善保管。",
    "工牌号 ⟦EMPLOYEE_ID⟧ 丢失补办，部门：运维",
    "就诊卡号：⟦MEDICAL_RECORD_NO⟧\n姓名：⟦PERSON_NAME⟧\n性别：女\n科室：心内科",
    "扫码登记：⟦PERSON_NAME⟧，⟦CN_ID_CARD⟧，⟦CN_MOBILE⟧，体温36.5",
    "证件类型：护照，证件号：⟦CN_PASSPORT⟧，国籍：中国",
    "出生日期 ⟦DATE_OF_BIRTH⟧ ，入学时间 2018-09-01 ，毕业时间 2022-06-30",
    "{\"patient_name\": \"⟦PERSON_NAME⟧\", \"birth_date\": \"⟦DATE_OF_BIRTH⟧\", \"mrn\": \"⟦MEDICAL_RECORD_NO⟧\"}",
    "contact_phone: ⟦CN_MOBILE⟧\nbank_account: ⟦BANK_CARD⟧\nswift: BKCHCNBJ",
    "- 姓名：⟦PERSON_NAME⟧\n- 手机：⟦CN_MOBILE⟧\n- 住址：⟦ADDRESS⟧\n",
    "【快递通知】⟦PERSON_NAME⟧您好，您的包裹已到菜鸟驿站，取件码 3-2-1087，电话 ⟦CN_MOBILE⟧",
    "委托代理人：⟦PERSON_NAME⟧，某某律师事务所律师，执业证号略。",
    "审判长 ⟦PERSON_NAME⟧\n审判员 ⟦PERSON_NAME⟧\n书记员 ⟦PERSON_NAME⟧",
    "原告：⟦PERSON_NAME⟧，女，⟦DATE_OF_BIRTH⟧出生，汉族，住⟦ADDRESS⟧。",
    "借款人（乙方）：⟦PERSON_NAME⟧ 身份证号：⟦CN_ID_CARD⟧ 还款卡号：⟦BANK_CARD⟧",
    "val user = mapOf(\"name\" to \"⟦PERSON_NAME⟧\", \"phone\" to \"⟦CN_MOBILE⟧\")",
    "UPDATE users SET phone='⟦CN_MOBILE⟧', email='⟦EMAIL⟧' WHERE id=42;",
    "SELECT * FROM t_user WHERE id_card = '⟦CN_ID_CARD⟧' AND name = '⟦PERSON_NAME⟧';",
    "姓名: ⟦PERSON_NAME⟧ | 电话: ⟦CN_MOBILE⟧ | 身份证: ⟦CN_ID_CARD⟧",
    "司机姓名⟦PERSON_NAME⟧，车牌是⟦CN_PLATE⟧",
    "请帮我写一封投诉信，收信人是⟦PERSON_NAME⟧，我的邮箱是⟦EMAIL⟧。",
    "微信：⟦WECHAT_ID⟧（同手机⟦CN_MOBILE⟧）",
    "VX：⟦WECHAT_ID⟧，备注来意。QQ：⟦QQ_ID⟧",
    "公司注册地址：⟦ADDRESS⟧；联系人：⟦PERSON_NAME⟧；固话：⟦CN_LANDLINE⟧",
    "fax ⟦CN_LANDLINE⟧ / mobile ⟦CN_MOBILE⟧ / mail ⟦EMAIL⟧",
    "ssh root@⟦IP_ADDRESS⟧ -p 22",
    "节点⟦IP_ADDRESS⟧失联，主备切换完成，新主⟦IP_ADDRESS⟧。",
    "GPS: ⟦GPS_COORD⟧\nIMEI: ⟦IMEI⟧\nMAC: ⟦MAC_ADDRESS⟧",
    "车架号后六位不够，完整的是⟦VIN⟧，车牌⟦CN_PLATE⟧",
    "组织机构代码证：⟦CN_ORG_CODE⟧，税务登记号：⟦CN_TAX_ID⟧",
    "Applicant DOB: ⟦DATE_OF_BIRTH⟧, phone ⟦PHONE_INTL⟧, email ⟦EMAIL⟧",
];

/// Documents of one half, each some times.
#[must_use]
pub fn samples(each: usize, split: Split, r: &mut Random) -> Vec<Sample> {
    let odd = usize::from(split == Split::Evaluate);
    let mut samples = Vec::new();
    for document in DOCUMENTS.iter().skip(odd).step_by(2) {
        for _ in 0..each {
            samples.push(filled(document, r));
        }
    }
    samples
}

fn filled(document: &str, r: &mut Random) -> Sample {
    let mut marked = String::new();
    let mut rest = document;
    while let Some((before, after)) = rest.split_once('⟦') {
        let (kind, behind) = after.split_once('⟧').expect("a mark is closed");
        marked.push_str(before);
        marked.push_str(&format!("[[{kind}|{}]]", values::of(kind, r)));
        rest = behind;
    }
    marked.push_str(rest);
    Sample::marked(&marked, "document")
}
