//! The specification's examples, each with what must be found in it: `[[TYPE|value]]` marks a finding.

use super::scan;

/// Checks that the marked spans, and nothing else, are found.
fn check(marked: &str) -> Result<(), String> {
    let mut text = String::new();
    let mut expected = Vec::new();
    let mut rest = marked;
    while let Some(open) = rest.find("[[") {
        text.push_str(&rest[..open]);
        let close = rest.find("]]").unwrap();
        let (name, value) = rest[open + 2..close].split_once('|').unwrap();
        expected.push((name.to_owned(), text.len(), text.len() + value.len()));
        text.push_str(value);
        rest = &rest[close + 2..];
    }
    text.push_str(rest);
    let found: Vec<_> = scan(&text)
        .into_iter()
        .map(|hit| (hit.entity.name().to_owned(), hit.start, hit.end))
        .collect();
    if found == expected {
        return Ok(());
    }
    let show = |list: &[(String, usize, usize)]| {
        list.iter()
            .map(|(n, s, e)| format!("{n}:{:?}", &text[*s..*e]))
            .collect::<Vec<_>>()
            .join(" ")
    };
    Err(format!(
        "{text:?}\n    expected {}\n    found    {}",
        show(&expected),
        show(&found)
    ))
}

fn check_all(cases: &[&str]) {
    let failed: Vec<_> = cases.iter().filter_map(|case| check(case).err()).collect();
    assert!(
        failed.is_empty(),
        "{} failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[test]
fn mainland_persons() {
    check_all(&[
        "身份证号[[CN_ID_CARD|11010519491231002X]]。",
        "我的是[[CN_ID_CARD|440307198802290310]]谢谢",
        "110105194912310021",
        "110105194913310020",
        "身份证：[[CN_ID_CARD_15|310104850714051]]",
        "订单310104850714051",
        "居住证[[CN_HMT_RESIDENCE|810000199205172044]]",
        "永居证 [[CN_FPR_ID|911840198503123018]]",
        "回乡证号[[CN_HM_PASS|H12345678]]",
        "[[CN_HM_PASS|H1234567800]]",
        "台胞证：[[CN_TW_PASS|12345678]]",
        "护照号[[CN_PASSPORT|E12345678]]",
        "passport no: [[CN_PASSPORT|EA1234567]]",
        "[[PASSPORT_MRZ|POCHNZHANG<<XIAOHONG<<<<<<<<<<<<<<<<<<<<<<<<\nE123456782CHN9003059F3003046<<<<<<<<<<<<<<08]]",
        "电话[[CN_MOBILE|13800138000]]号",
        "tel[[CN_MOBILE|13800138000]]",
        "[[CN_MOBILE|+86 138-0013-8000]]",
        "[[CN_MOBILE|(+86)13800138000]]",
        "总价13800138000.50元",
        "订单号13800138000",
        "座机[[CN_LANDLINE|010-62345678]]",
        "[[CN_LANDLINE|(0755)86543210]]转",
        "[[CN_LANDLINE|021-62345678转123]]",
        "姓名：[[PERSON_NAME|张伟]]，",
        "姓名要写拼音吗",
        "联系人分组",
        "客户回访率",
        "[[PERSON_NAME|王先生]]您好",
        "请联系[[PERSON_NAME|欧阳娜娜]]女士"
            .replace("]]女士", "女士]]")
            .as_str(),
        "[[PERSON_NAME|李娜]] [[CN_MOBILE|13912345678]]",
        "寄到[[ADDRESS|北京市朝阳区建国路88号3号楼502室]]",
        "北京市今天晴",
        "姓名\t城市\n[[PERSON_NAME|张佳秀]]\t北京\n",
        "对于老师来说",
        "班主任[[PERSON_NAME|李建国]]，[[PERSON_NAME|王总]]您好",
        "姓名：[[PERSON_NAME|阿卜杜拉·买买提]]，",
        "法定代表人：[[PERSON_NAME|马云]]，",
        "[[PERSON_NAME|张伟]] 男 [[CN_MOBILE|13800138000]]",
        "年终总结与王总结对",
        "他坐5号线去教室",
        "出生日期：[[DATE_OF_BIRTH|1990-03-05]]",
        "合同日期：1990-03-05",
        "军官证 [[CN_MILITARY_ID|军字第1234567号]]",
        "微信号：[[WECHAT_ID|zhang_san88]]",
        "QQ：[[QQ_ID|123456789]]",
        "学号[[STUDENT_ID|20230001]]",
        "工号：[[EMPLOYEE_ID|A102345]]",
        "病历号：[[MEDICAL_RECORD_NO|MR1234567]]",
        "医保卡号：[[MEDICAL_INSURANCE_NO|1234567890]]",
        "社保卡号 [[CN_SOCIAL_SECURITY|A12345678]]",
    ]);
}

#[test]
fn organisations_vehicles_money() {
    check_all(&[
        "统一社会信用代码[[CN_USCC|91350100M000100Y43]]",
        "[[CN_USCC|91310115MA5F2KQ78J]]",
        "91310115MA5F2KQ78K",
        "组织机构代码：[[CN_ORG_CODE|MA5F2KQ7-8]]",
        "[[CN_ORG_CODE|72345678-1]]",
        "注册号：[[CN_BIZ_LICENSE|110108000000016]]",
        "税号：[[CN_TAX_ID|91310115MA5F2KQ78J]]",
        "车牌[[CN_PLATE|京A12345]]",
        "[[CN_PLATE|粤B·D12345]]已到",
        "[[CN_PLATE|京A1234警]]",
        "皖B级 闽C位 粤B2-20090191",
        "VIN [[VIN|1M8GDM9AXKP042788]]",
        "[[VIN|LSVAA418XE2100001]]",
        "卡号[[BANK_CARD|6222021000112233449]]",
        "[[BANK_CARD|6222 0210 0011 2233 449]]",
        "[[CREDIT_CARD|4111111111111111]]",
        "[[CREDIT_CARD|3782 822463 10005]]",
        "6222021000112233440",
        "[[IBAN|GB82 WEST 1234 5698 7654 32]]",
        "[[IBAN|DE89370400440532013000]]",
    ]);
}

#[test]
fn network_and_elsewhere() {
    check_all(&[
        "邮箱[[EMAIL|zhang.san@example.com]]。",
        "[[EMAIL|user%40example.com]]",
        "[[EMAIL|li(at)example(dot)com]]",
        "@types/node@18.0.0",
        "git@github.com:org/repo",
        "user@localhost",
        "服务器[[IP_ADDRESS|192.168.1.20]]:8080",
        "版本1.2.3.4",
        "127.0.0.1",
        "[[IP_ADDRESS|2001:db8::8a2e:370:7334]]",
        "std::collections::HashMap",
        "[[MAC_ADDRESS|00:1A:2B:3C:4D:5E]]",
        "IMEI：[[IMEI|490154203237518]]",
        "坐标[[GPS_COORD|39.9042, 116.4074]]",
        "价格(12.50, 33.20)",
        "[[URL_CREDENTIAL|https://admin:S3cret@git.example.com]]/repo",
        "[[DB_URL|mysql://root:pa55word@10.0.0.1:3306/app]]",
        "[[US_SSN|219-09-9998]]",
        "000-12-3456 666-12-3456 912-12-3456",
        "[[PHONE_INTL|+1 (415) 555-0132]]",
        "[[PHONE_INTL|+44 20 7946 0958]]",
        "[[HK_ID|A123456(3)]]",
        "[[HK_ID|WX654321(7)]]",
        "[[TW_ID|A123456789]]",
        "[[SG_NRIC|S1234567D]]",
        "マイナンバー：[[JP_MY_NUMBER|123456789018]]",
        "[[KR_RRN|800101-1234560]]",
    ]);
}

#[test]
fn secrets() {
    let long = "a1B2c3D4e5F6g7H8i9J0".repeat(5);
    check_all(&[
        "[[AWS_ACCESS_KEY|AKIAIOSFODNN7QWERTYU]]",
        "AKIAIOSFODNN7EXAMPLE",
        "aws_secret_access_key = [[AWS_SECRET_KEY|wJalrXUtnFEMI/K7MDENG/bPxRfiCYzz12345678]]",
        "[[ALIYUN_ACCESS_KEY|LTAI5tGf7Hn2KqWxYzAbCdEf]]",
        "[[LLM_API_KEY|sk-0123456789abcdef0123456789abcdef]]",
        &format!("[[ANTHROPIC_API_KEY|sk-ant-api03-{}AA]]", &long[..90]),
        "[[GITHUB_TOKEN|ghp_a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H8]]",
        "password: [[GENERIC_SECRET|Tr0ub4dor&3x]]",
        "密码是[[GENERIC_SECRET|Abcd@12345]]，",
        "password = YOUR_PASSWORD",
        "token: ${TOKEN_VALUE}",
        "[[JWT|eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P]]",
        "[[PRIVATE_KEY|-----BEGIN RSA PRIVATE KEY-----\nMIIEabc123\n-----END RSA PRIVATE KEY-----]]",
        "-----BEGIN PUBLIC KEY-----\nMIIEabc123\n-----END PUBLIC KEY-----",
    ]);
}

#[test]
fn evasions() {
    check_all(&[
        "电话[[CN_MOBILE|１３８００１３８０００]]",
        "[[CN_MOBILE|1\u{200b}3800138000]]",
        "[[CN_MOBILE|一三八零零一三八零零零]]",
        "[[CN_MOBILE|幺三八洞洞幺三八洞洞洞]]",
        "[[CN_MOBILE|1 3 8 0 0 1 3 8 0 0 0]]",
        "[[CN_MOBILE|138.0013.8000]]",
        "[[CN_MOBILE|\\u0031\\u0033\\u0038\\u0030\\u0030\\u0031\\u0033\\u0038\\u0030\\u0030\\u0030]]",
        "[[CN_MOBILE|%31%33%38%30%30%31%33%38%30%30%30]]",
        "[[CN_MOBILE|&#49;&#51;&#56;00138000]]",
        "[[CN_ID_CARD|110105 19491231 002X]]",
        "[[CN_ID_CARD|11010519491231002×]]",
        "[[CN_ID_CARD|11010519491231002х]]",
        "[[EMAIL|zhang＠example．com]]",
        "[[BANK_CARD|6222-0210-0011-2233-449]]",
        "一二线城市三四五六",
        "[[AWS_ACCESS_KEY|AKIA\" + \"IOSFODNN7QWERTYU]]",
    ]);
}

#[test]
fn traps() {
    check_all(&[
        "订单号20230115123456789012",
        "时间戳1700000000000",
        "20230115123045",
        "运单SF1234567890123",
        "ISBN 978-7-111-54742-6",
        "3.14159265358979323846",
        "粤ICP备12345678号",
        "京公网安备11010502030123号",
        "国发〔2023〕15号",
        "commit 1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b",
        "550e8400-e29b-41d4-a716-446655440000",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "身份证号有几位",
        "138****8000",
        "请拨打12345或400-800-8888",
        "今天高温，黄河水位上涨，方向不明",
        "<PHONE_1>",
        "1,234,567,890.00元",
        "0x7ffd12345678",
    ]);
}

#[test]
fn detectors_have_names_of_their_own() {
    let names: Vec<_> = super::ask::detectors().collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), names.len());
}

#[test]
fn rows_of_numbers() {
    check_all(&[
        "[[CN_MOBILE|13812345678]],[[CN_MOBILE|13912345678]],[[CN_MOBILE|13712345678]]",
        "[[CN_MOBILE|13812345678]]/[[CN_MOBILE|13912345678]]",
        "[[CN_ID_CARD|110105194912310 02X]],[[CN_MOBILE|15011112222]]",
        "序号,手机\n1,[[CN_MOBILE|13800138000]]\n2,[[CN_MOBILE|13900139000]]",
        "7,[[CN_MOBILE|138 0013 8000]],12,345,678.00",
        "手机1:[[CN_MOBILE|13800138000]]",
        "6,[[BANK_CARD|6222021000112233449]]",
        "12,138,001,380,001",
        "共12,138,001元，10:30:13开会",
    ]);
}

#[test]
fn forms_with_blanks_in_their_labels() {
    check_all(&[
        "姓　　名：[[PERSON_NAME|林晓燕]]　性　　别：女",
        "姓 名：[[PERSON_NAME|张 小 伟]]  性 别：男",
        "学 号：[[STUDENT_ID|2021210345]]",
        "身 份 证 号：[[CN_ID_CARD_15|310104850714051]]",
        "出 生 日 期：[[DATE_OF_BIRTH|1990年1月2日]]",
        "户 名：[[PERSON_NAME|陈晓东]] 账 号：[[BANK_CARD|6222021000112233449]]",
        "[[PERSON_NAME|王 小 芳]]，[[CN_MOBILE|13800138000]]",
        "周 三 [[CN_MOBILE|13800138000]] 开会",
        "订 单 号：13800138000",
        "编 号：2021210345",
        "联系[[PERSON_NAME|刘总]]",
        "发给[[PERSON_NAME|陈志强]]（手机：[[CN_MOBILE|13600136000]]）",
        "乘机人：[[PERSON_NAME|ZHANG/WEI]] MR",
        "date of birth: [[DATE_OF_BIRTH|03/05/1990]]",
        "DOB [[DATE_OF_BIRTH|31/12/1985]]",
        "due date: 03/05/1990",
        "联系总部",
    ]);
}

#[test]
fn secrets_in_markup() {
    check_all(&[
        "<password>[[GENERIC_SECRET|Sup3rS3cret!]]</password>",
        "<add key=\"password\" value=\"[[GENERIC_SECRET|Sup3rS3cret!]]\" />",
        "- name: DB_PASSWORD\n  value: [[GENERIC_SECRET|Sup3rS3cret!]]",
        "{\"name\": \"API_KEY\", \"value\": \"[[GENERIC_SECRET|8f14e45fceea167a5a36dedd4bea2543]]\"}",
        "Authorization: Basic [[GENERIC_SECRET|YWRtaW46U3VwM3JTM2NyZXQh]]",
        "Authorization: Basic <credentials>",
        "- name: LOG_LEVEL\n  value: debug12345",
        "<div class=\"a\">password</div>",
        "x => a8f5f167f44f4964e6c9",
        "<?php return ['password' => '[[GENERIC_SECRET|Sup3rS3cret!]]'];",
        "Map<&str,&str> = map!{\"password\" => \"[[GENERIC_SECRET|Sup3rS3cret!]]\"}",
    ]);
}

#[test]
fn traditional_characters() {
    check_all(&[
        "姓名：[[PERSON_NAME|陳大文]] 電話：[[CN_MOBILE|13800138000]]",
        "聯絡人：[[PERSON_NAME|張小明]]",
        "[[PERSON_NAME|張經理]]說",
        "地址：[[ADDRESS|臺北市信義區市府路1號]]",
        "密碼：[[GENERIC_SECRET|Sup3rS3cret]]",
    ]);
}
