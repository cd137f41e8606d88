//! The cue words themselves, by what they speak of.
//!
//! Data. Invariant: no word stands in two classes.

/// What a cue speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Cue {
    Id,
    HmPass,
    TwPass,
    Fpr,
    Passport,
    Phone,
    Birth,
    Social,
    MedicalInsurance,
    MedicalRecord,
    Wechat,
    Qq,
    Student,
    Employee,
    Tax,
    Uscc,
    Org,
    Business,
    Vin,
    Card,
    Imei,
    Gps,
    Ssn,
    HkId,
    TwId,
    Nric,
    Japan,
    Korea,
    Iban,
    Ip,
    Mac,
    Plate,
    AwsSecret,
    AliSecret,
    TencentSecret,
    Key,
    Military,
    Name,
    Address,
    /// Orders, invoices, versions, hashes: the number is no personal one.
    Other,
}

/// Class, then its words, separated by spaces; `_` stands for a space inside a Latin cue and is not compared.
pub(super) const CUES: &[(Cue, &str)] = &[
    (
        Cue::Id,
        "证照号 证照号码 身份证编号 身份证明号 公民身份证号 身份证信息 证件编号 身份号 idcode identitycode personid 身份证号为 身份证 身份证号 身份证号码 身份证件 证件号 证件号码 公民身份号码 身份号码 身份编号 证号 原身份证 居民身份证 idcard idcardno idno idnumber identitycard identity nationalid sfz sfzh sfzhm certno certid shenfenzheng identitynumber idnum cardid",
    ),
    (
        Cue::HmPass,
        "内地通行证 往来内地通行证 港澳居民 mainlandtravelpermit travelpermit homereturn 港澳居民证 港澳证 港澳居民通行证 回乡证件 回乡证 通行证 港澳通行证 港澳 来往内地通行证 往来港澳 回乡卡 homereturnpermit hometurn eep",
    ),
    (
        Cue::TwPass,
        "台湾同胞 台胞 台胞证 台湾居民 来往大陆通行证 台湾居民来往大陆通行证 台湾通行证 mtp",
    ),
    (
        Cue::Fpr,
        "永久居留 永居证 永久居留身份证 外国人永久居留 绿卡",
    ),
    (
        Cue::Passport,
        "护照编号 旅行证件 旅行证件号 旅行证 traveldocument traveldocumentno traveldoc passportid 护照 护照号 护照号码 passport passportno passportnumber passportnum ppt",
    ),
    (
        Cue::Phone,
        "電話 電話號碼 手機 手機號碼 聯絡電話 聯繫電話 行動電話 傳真 物联网卡 物联卡 流量卡 sim卡 simcard msisdn 手机卡 收件电话 本机号码 本机 手机号为 电话为 联系手机 联系号码 预留手机 预留电话 绑定手机 手机尾号 紧急电话 家长电话 收货电话 寄件电话 客户电话 座机号 固定电话 宅电 办公室电话 公司电话 咨询电话 订餐电话 回拨 回电 呼入 呼出 外呼 加急联系 拨通 contactnumber contactphone contactno hotline landline homephone workphone officephone 拨号 手机 手机号 手机号码 电话 电话号码 联系电话 联系方式 联系人电话 热线 座机 固话 致电 拨打 来电 传真 打 拨 号码 办公电话 家庭电话 移动电话 mobile phone cell cellphone tel telephone fax mobilephone phonenumber phoneno contact call sms whatsapp 短信 呼叫 打给 联系 办公室 总机 分机",
    ),
    (
        Cue::Birth,
        "出生日 生辰 bday birthdt dateborn 出生时间 出生年份 出生日期 出生年月 出生年月日 出生 生日 生于 诞生于 出生于 dob dateofbirth birthday birthdate born bornon birth csrq",
    ),
    (
        Cue::Social,
        "社会保险个人编号 个人社保号 社保电脑号 参保编号 社保个人编号 社会保险 socialcard socialsecuritycard 社保卡号 社会保障 社会保障号 社会保障卡 社会保障号码 社保号 社保卡 社保账号 社会保险号 社保编号 socialinsurance socialinsuranceno 社保",
    ),
    (
        Cue::MedicalInsurance,
        "医保 医保账户 医保电子凭证号 医疗证号 参保号 医保登记号 healthinsurance healthinsurancenumber medicalinsurancenumber insuranceid insurancenumber medicareid 医保号 医保卡 医保卡号 医疗保险号 医保编号 医疗保险 医保账号 医保个人编号 医疗保险卡号 medicalinsurance medicalinsuranceno medicare healthinsuranceno insuranceno",
    ),
    (
        Cue::MedicalRecord,
        "就诊卡 诊疗卡号 诊疗卡 病员号 患者编号 患者id 患者号 门诊编号 住院编号 住院登记号 体检号 病历本号 病历id 病例号 影像号 检查号 medicalrecordnumber patientno patientnumber hospitalno hospitalnumber inpatientno chartno chartnumber admissionno 病历号 住院号 门诊号 病案号 病历编号 就诊号 就诊卡号 门诊病历号 住院病历号 病案编号 mrn medicalrecord medicalrecordno recordno patientid 病历",
    ),
    (
        Cue::Wechat,
        "微信账号 微信号码 薇 徽信 w信 微信名 wechatno wxid wxno weixinid weixinhao 微信 微信号 vx wx v信 wechat weixin 加v 加微 微信id wechatid 薇信 威信 v❤ 绿泡泡 微❤",
    ),
    (
        Cue::Qq,
        "扣号 抠抠 qq账号 qqid qqnum qq qq号 qq号码 扣扣 企鹅号 扣扣号 企鹅 q号 qqno qqnumber 球球",
    ),
    (
        Cue::Student,
        "学生号 学员号 学员编号 一卡通号 校园卡号 校园卡 考生号 准考证号 准考证 stuid stuno stunum sno studentnum studentcode matriculation matriculationno 学号 学籍号 学生证 学生证号 学生编号 studentid studentno studentnumber 学籍",
    ),
    (
        Cue::Employee,
        "员工工号 人事编号 工牌号 工牌 职员编号 职员号 员工代码 员工卡号 工作证 jobnumber jobno workno worknumber badge badgeno staffnumber employeenum employeecode empcode staffcode 工号 员工编号 员工号 职工号 员工id 工作证号 雇员编号 警号 employeeid employeeno employeenumber staffid staffno empno empid 职工编号 人员编号",
    ),
    (
        Cue::Tax,
        "纳税号 开票税号 企业税号 公司税号 纳税识别码 taxpayer taxpayerno taxcode 税号 纳税人识别号 纳税人识别码 税务登记号 纳税识别号 税务登记证号 taxid taxno taxpayerid taxnumber 纳税人",
    ),
    (
        Cue::Uscc,
        "社会统一信用代码 信用代码证 unifiedcode socialcode unifiedsocialcreditcode 统一社会信用代码 社会信用代码 信用代码 统一代码 统一信用代码 uscc usci creditcode socialcreditcode",
    ),
    (
        Cue::Org,
        "组织机构 代码证 机构代码证 机构编码 组织代码证 orgno organizationno organisationcode orgcodeno 组织机构代码 机构代码 组织代码 组织机构代码证 orgcode organizationcode",
    ),
    (
        Cue::Business,
        "工商注册 注册登记号 执照编号 营业执照编号 营业执照注册 工商号 regcode businessregno companyregno 注册号 营业执照 营业执照号 工商注册号 营业执照注册号 执照号 工商登记号 businesslicense licenseno bizlicense regno registrationno",
    ),
    (
        Cue::Vin,
        "车辆识别 车辆识别号 车身号 底盘号 chassis chassisno framenumber 车架号 车架号码 车辆识别代号 车辆识别码 车辆识别代码 vin vinno vincode 大架号 车架",
    ),
    (
        Cue::Card,
        "银行卡 银行卡号 卡号 信用卡 信用卡号 借记卡 储蓄卡 银行账号 账号 账户 银行账户 帐号 收款账号 打款账号 转账到 工资卡 尾号 bankcard card cardno cardnumber creditcard debitcard account accountno accountnumber bankaccount cardnum pan 户头 转到 汇到 visa mastercard unionpay 银联 卡 刷卡 帐户 bankcardno acct amex 付款卡 支付卡 美国运通 运通卡",
    ),
    (
        Cue::Imei,
        "手机imei 设备imei 设备码 meid imei device deviceid 手机串码 终端号 串号 设备串号 手机串号 设备号 imeino imei1 imei2",
    ),
    (
        Cue::Gps,
        "经纬 坐标点 定位点 经纬坐标 geo geolocation latlon gpslocation gps 坐标 经纬度 经度 纬度 定位 位置 lat lng lon latitude longitude location coordinates coord latlng coordinate latlon",
    ),
    (
        Cue::Ssn,
        "ss socialsecuritynum socialsec 美国社保号 ssn socialsecurity socialsecuritynumber socialsecurityno 社会安全号 社会安全号码 社安号 ssnnumber",
    ),
    (
        Cue::HkId,
        "hongkongid hongkongidcard hongkongidentitycard hkidcard 香港永久性居民身份证 永久性居民身份证 香港居民身份证 香港永久居民身份证 香港身份證 永久性居民身份證 香港居民身份證 香港身份证 香港身份证号 香港身份证号码 hkid 港澳身份证 hkidno",
    ),
    (
        Cue::TwId,
        "身分證統一編號 國民身分證 国民身分证 身份證字號 身份证字号 統一編號 台湾身份证 身分证 身分證 国民身份证 身份證 身分证字号 身分證字號 twid 身分证号 台湾身份证号",
    ),
    (Cue::Nric, "nric fin nricno 新加坡身份证 singaporeid 新加坡"),
    (
        Cue::Japan,
        "个人番号 マイナンバーカード 個人番號 mynumber マイナンバー 個人番号 个人番号 日本个人编号 我的号码 日本 japanid 個人編號",
    ),
    (
        Cue::Korea,
        "주민번호 주민등록 韩国居民登录 rrn 居民登录号 住民登录号 주민등록번호 韩国居民登记号 韩国身份证 residentregistration 韩国 居民登记号 住民登録番号",
    ),
    (Cue::Iban, "iban 国际银行账号 国际账号"),
    (
        Cue::Ip,
        "ip ip地址 服务器 主机 机器 节点 实例 内网 外网 公网 网关 ipaddress host server gateway dns clientip ipaddr ip_addr remoteaddr remoteip 来源ip",
    ),
    (Cue::Mac, "mac mac地址 物理地址 macaddress"),
    (
        Cue::Plate,
        "车牌 车牌号 车牌号码 号牌 牌照 plate plateno licenseplate",
    ),
    (
        Cue::AwsSecret,
        "awssecretaccesskey secretaccesskey awssecret awssecretkey amazonsecret",
    ),
    (
        Cue::AliSecret,
        "accesskeysecret aliyunsecret alibabacloudaccesskeysecret aliyunaccesskeysecret alicloudsecretkey osssecret aliyunsecretkey aliyunaccesssecret alicloudaccesskeysecret accesssecret alisecret 阿里云密钥 阿里云secret",
    ),
    (
        Cue::TencentSecret,
        "tencentsecretkey tencentcloudsecretkey tencentsecret qcloudsecretkey cossecretkey 腾讯云密钥 腾讯云secretkey qcloudsecret cossecret tencentcloudsecret",
    ),
    (
        Cue::Key,
        "secret secretkey appsecret clientsecret 密钥 秘钥 sk",
    ),
    (
        Cue::Military,
        "军官证 士兵证 文职证 军人证 军官证号 士官证 文职干部证 军人证件 警官证 军官证件号",
    ),
    (Cue::Name, "姓名 联系人 收件人 客户 患者 name"),
    (Cue::Address, "地址 住址"),
    (
        Cue::Other,
        "订单号 订单 订单编号 流水号 交易流水 流水 单号 运单 运单号 快递单号 快递 物流单号 编号 批次 批次号 批号 型号 版本 版本号 发票号 发票号码 发票 序列号 采购单 合同号 合同编号 条形码 条码 商品编码 货号 追踪号 跟踪号 请求id 会话id 时间戳 专利号 专利 备案号 备案 公告 文号 期号 案号 电表号 户号 商户号 商户单号 凭证号 报销单 工单 工单号 任务号 票号 机票 支付单号 交易号 产品编号 设备编号 资产编号 保单号 房号 库存 圆周率 随机数 哈希 校验和 构建号 端口 端口号 提交 数据 总计 金额 合计 价格 圆周 编码 证书编号 学分 面积 阅读量 播放量 点击 人数 order orderno orderid ordernumber tracking trackingno trackingnumber invoice invoiceno version commit sha sha1 sha256 md5 trace traceid spanid requestid reqid po isbn issn ean sku serial serialno serialnumber sn batch batchno build buildid transaction transactionid txn txnid waybill ticket ticketno barcode doi patent ts timestamp uuid guid hash etag checksum digest port seq sequence productid modelno nonce rev revision lot tag oid bugid issue pr partno partnumber contractno serialnum logid msgid messageid sessionid userid uid random total amount sum price count epoch case caseno fingerprint",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_means_two_things() {
        let mut seen = std::collections::HashMap::new();
        for &(cue, list) in CUES {
            for word in list.split(' ') {
                assert!(!word.is_empty(), "{cue:?}");
                let before = seen.insert(word, cue);
                assert!(
                    before.is_none_or(|before| before == cue),
                    "{word}: {before:?} {cue:?}"
                );
            }
        }
    }
}
