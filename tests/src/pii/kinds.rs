//! The types of the corpus, and the words that stand before their values.

/// Types, whether they need their cue, and their cues.
pub const KINDS: &[(&str, bool, &[&str])] = &[
    (
        "CN_ID_CARD",
        false,
        &[
            "身份证号",
            "证件号码",
            "身份证",
            "公民身份号码",
            "idCard",
            "ID number",
        ],
    ),
    (
        "CN_ID_CARD_15",
        true,
        &["身份证号", "原身份证号", "证件号", "身份证"],
    ),
    (
        "CN_HMT_RESIDENCE",
        false,
        &["居住证号", "港澳台居民居住证", "证件号", "居住证"],
    ),
    (
        "CN_HM_PASS",
        true,
        &["回乡证号", "港澳居民来往内地通行证", "通行证号", "回乡证"],
    ),
    (
        "CN_TW_PASS",
        true,
        &["台胞证号", "台湾居民来往大陆通行证", "台胞证", "台胞证号码"],
    ),
    (
        "CN_FPR_ID",
        false,
        &["永久居留身份证", "外国人永久居留证号", "永居证", "永居证号"],
    ),
    (
        "CN_PASSPORT",
        true,
        &["护照号", "护照号码", "passport no", "护照"],
    ),
    (
        "PASSPORT_MRZ",
        false,
        &["护照机读码", "MRZ", "扫描结果", "机读区"],
    ),
    (
        "CN_MOBILE",
        false,
        &["手机号", "联系电话", "电话", "手机", "phone", "mobile"],
    ),
    (
        "CN_LANDLINE",
        false,
        &["座机", "办公电话", "固话", "联系电话", "传真", "tel"],
    ),
    (
        "PERSON_NAME",
        true,
        &[
            "姓名",
            "联系人",
            "收件人",
            "患者姓名",
            "户名",
            "持卡人",
            "申请人",
            "投保人",
        ],
    ),
    (
        "ADDRESS",
        false,
        &[
            "地址",
            "收货地址",
            "家庭住址",
            "住址",
            "通讯地址",
            "户籍地址",
        ],
    ),
    (
        "DATE_OF_BIRTH",
        true,
        &[
            "出生日期",
            "生日",
            "出生年月日",
            "DOB",
            "date of birth",
            "出生",
        ],
    ),
    (
        "CN_MILITARY_ID",
        false,
        &["军官证", "士兵证号", "军官证号", "文职证"],
    ),
    (
        "CN_SOCIAL_SECURITY",
        true,
        &["社保卡号", "社会保障号", "社保号", "社会保障卡号"],
    ),
    (
        "MEDICAL_INSURANCE_NO",
        true,
        &["医保卡号", "医保号", "医疗保险号", "医保编号"],
    ),
    (
        "MEDICAL_RECORD_NO",
        true,
        &["病历号", "住院号", "门诊号", "病案号", "MRN"],
    ),
    (
        "WECHAT_ID",
        true,
        &["微信号", "微信", "wechat", "vx", "WeChat"],
    ),
    ("QQ_ID", true, &["QQ", "QQ号", "qq", "扣扣"]),
    (
        "STUDENT_ID",
        true,
        &["学号", "学籍号", "student id", "学号"],
    ),
    (
        "EMPLOYEE_ID",
        true,
        &["工号", "员工编号", "employee id", "员工号"],
    ),
    (
        "CN_USCC",
        false,
        &["统一社会信用代码", "信用代码", "社会信用代码", "统一代码"],
    ),
    (
        "CN_TAX_ID",
        true,
        &["税号", "纳税人识别号", "纳税人识别号", "税号"],
    ),
    (
        "CN_ORG_CODE",
        true,
        &["组织机构代码", "机构代码", "组织机构代码证", "组织机构代码"],
    ),
    (
        "CN_BIZ_LICENSE",
        true,
        &["注册号", "营业执照注册号", "营业执照号", "工商注册号"],
    ),
    ("CN_PLATE", false, &["车牌", "车牌号", "号牌", "车牌号码"]),
    ("VIN", false, &["车架号", "VIN", "车辆识别代号", "vin"]),
    (
        "BANK_CARD",
        false,
        &["银行卡号", "卡号", "收款账号", "银行卡", "工资卡"],
    ),
    (
        "CREDIT_CARD",
        false,
        &["信用卡号", "信用卡", "card number", "卡号"],
    ),
    ("IBAN", false, &["IBAN", "国际账号", "account", "IBAN号"]),
    (
        "EMAIL",
        false,
        &["邮箱", "电子邮件", "email", "E-mail", "邮件地址"],
    ),
    (
        "IP_ADDRESS",
        false,
        &["IP", "服务器地址", "IP地址", "client_ip", "主机"],
    ),
    ("MAC_ADDRESS", false, &["MAC地址", "MAC", "物理地址", "mac"]),
    ("IMEI", true, &["IMEI", "手机串号", "imei", "IMEI号"]),
    (
        "GPS_COORD",
        true,
        &["坐标", "GPS", "经纬度", "location", "定位"],
    ),
    (
        "URL_CREDENTIAL",
        false,
        &["仓库地址", "url", "下载", "remote"],
    ),
    (
        "DB_URL",
        false,
        &["数据库", "DATABASE_URL", "连接串", "dsn"],
    ),
    (
        "US_SSN",
        false,
        &["SSN", "社会安全号", "social security number", "ssn"],
    ),
    ("PHONE_INTL", false, &["phone", "电话", "mobile", "Tel"]),
    (
        "HK_ID",
        false,
        &["香港身份证", "HKID", "香港身份证号", "身份证"],
    ),
    (
        "TW_ID",
        false,
        &["身分证字号", "台湾身份证", "身分證", "台湾身份证号"],
    ),
    ("SG_NRIC", false, &["NRIC", "新加坡身份证", "nric", "FIN"]),
    (
        "JP_MY_NUMBER",
        true,
        &["マイナンバー", "個人番号", "My Number", "个人番号"],
    ),
    (
        "KR_RRN",
        false,
        &["주민등록번호", "韩国身份证", "RRN", "居民登录号"],
    ),
    (
        "AWS_ACCESS_KEY",
        false,
        &["aws_access_key_id", "AccessKey", "AWS key", "key"],
    ),
    (
        "AWS_SECRET_KEY",
        true,
        &[
            "aws_secret_access_key",
            "AWS_SECRET_ACCESS_KEY",
            "secretAccessKey",
            "aws_secret_access_key",
        ],
    ),
    (
        "ALIYUN_ACCESS_KEY",
        false,
        &["accessKeyId", "ALIYUN_AK", "阿里云AK", "access_key"],
    ),
    (
        "ALIYUN_SECRET_KEY",
        true,
        &[
            "accessKeySecret",
            "ALIYUN_ACCESS_KEY_SECRET",
            "access_key_secret",
            "aliyun_secret",
        ],
    ),
    (
        "TENCENT_SECRET_ID",
        false,
        &["SecretId", "TENCENT_SECRET_ID", "腾讯云", "secret_id"],
    ),
    (
        "TENCENT_SECRET_KEY",
        true,
        &[
            "TENCENTCLOUD_SECRET_KEY",
            "tencent_secret_key",
            "tencentSecretKey",
            "qcloud_secret_key",
        ],
    ),
    (
        "BAIDU_API_KEY",
        false,
        &[
            "千帆",
            "QIANFAN_API_KEY",
            "api_key",
            "Authorization: Bearer",
        ],
    ),
    (
        "VOLC_ACCESS_KEY",
        false,
        &["VOLC_ACCESSKEY", "火山引擎AK", "access_key", "ak"],
    ),
    (
        "OPENAI_API_KEY",
        false,
        &["OPENAI_API_KEY", "api_key", "Authorization: Bearer", "key"],
    ),
    (
        "ANTHROPIC_API_KEY",
        false,
        &["ANTHROPIC_API_KEY", "x-api-key", "api key", "key"],
    ),
    (
        "LLM_API_KEY",
        false,
        &["DEEPSEEK_API_KEY", "api_key", "智谱key", "HF_TOKEN"],
    ),
    (
        "GITHUB_TOKEN",
        false,
        &["GITHUB_TOKEN", "token", "gh token", "PAT"],
    ),
    (
        "GITLAB_TOKEN",
        false,
        &["GITLAB_TOKEN", "PRIVATE-TOKEN", "token", "gitlab"],
    ),
    (
        "SLACK_TOKEN",
        false,
        &["SLACK_BOT_TOKEN", "slack", "token", "bot token"],
    ),
    (
        "STRIPE_KEY",
        false,
        &["STRIPE_SECRET_KEY", "stripe", "key", "支付密钥"],
    ),
    (
        "GOOGLE_API_KEY",
        false,
        &["GOOGLE_API_KEY", "maps key", "key", "api_key"],
    ),
    (
        "JWT",
        false,
        &["Authorization: Bearer", "token", "jwt", "登录态"],
    ),
    (
        "PRIVATE_KEY",
        false,
        &["私钥", "key.pem", "ssh key", "私钥如下"],
    ),
    (
        "GENERIC_SECRET",
        true,
        &[
            "password",
            "密码",
            "passwd",
            "DB_PASSWORD",
            "api_key",
            "登录密码",
        ],
    ),
];
