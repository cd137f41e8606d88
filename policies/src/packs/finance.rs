//! `finance`: personal financial information by the grades of JR/T 0171, C3 > C2 > C1.
//!
//! C3 authenticates: it is refused, and what slips into a reply is erased. C2 identifies: it is redacted. C1 stays, at
//! the grade of the request. The patterns hold their cue, since three digits mean nothing without it; a number that is
//! asked about and not given (安全码在哪里) is no finding.

use wire::Grade;

use super::{ERASE, Pack, PackRemedy, PackRule, Phase, REDACT, no_words};
use crate::scan::custom::Custom;

const RESTRICTED: Grade = Grade(3);
const CONFIDENTIAL: Grade = Grade(2);

pub(super) const PACK: Pack = Pack {
    name: "finance",
    about: "JR/T 0171: what authenticates (C3) is refused, what identifies (C2) is redacted, the rest (C1) keeps its grade.",
    rules: &[
        PackRule::new(
            "finance/c3",
            &[
                "FIN_C3_CVV",
                "FIN_C3_EXPIRY",
                "FIN_C3_PASSWORD",
                "FIN_C3_TRACK",
            ],
            PackRemedy::Refuse,
            Phase::Request,
        ),
        PackRule::new(
            "finance/one-time-code",
            &["FIN_C3_SMS_CODE"],
            ERASE,
            Phase::Request,
        ),
        PackRule::new(
            "finance/c3-reply",
            &[
                "FIN_C3_CVV",
                "FIN_C3_EXPIRY",
                "FIN_C3_PASSWORD",
                "FIN_C3_TRACK",
                "FIN_C3_SMS_CODE",
            ],
            ERASE,
            Phase::Reply,
        ),
        PackRule::new(
            "finance/c2",
            &[
                "FINANCIAL",
                "PERSON",
                "CONTACT",
                "FIN_C2_BALANCE",
                "FIN_C2_ACCOUNT",
                "FIN_C2_TRADE",
            ],
            REDACT,
            Phase::Both,
        ),
    ],
    words: no_words,
    customs,
    law: &[
        "JR/T 0171-2020 C1-C3",
        "JR/T 0197-2020",
        "PIPL 28",
        "Measures for Data Security of Banking and Insurance Institutions (2024)",
    ],
};

/// Between a cue and its value: a few signs, blanks and little words.
const LINK: &str =
    r#"["”']?\s{0,2}(?:[:：=]|是|为|is|was|号码|码|number|code|为：|是：){0,2}\s{0,2}["“']?"#;

fn customs() -> Vec<Custom> {
    let one = |name: &str, cue: &str, value: &str, grade: Grade| Custom {
        name: name.to_owned(),
        pattern: format!("(?i)(?:{cue}){LINK}{value}"),
        validator: None,
        context: Vec::new(),
        grade,
    };
    let amount = r"(?:人民币|RMB|CNY|USD|HKD|¥|￥|\$)?\s{0,1}-?(?:\d{1,3}(?:,\d{3}){1,4}|\d{3,12})(?:\.\d{1,2})?(?:\s{0,1}(?:万元|亿元|元|万|亿))?";
    vec![
        one(
            "FIN_C3_CVV",
            r"(?-u:\b)cvv2?|(?-u:\b)cvc2?|(?-u:\b)cvn2?|(?-u:\b)cvv/cvc|card security code|安全码|背面三位|背面后三位|卡背后三位|末三位校验码|卡片验证码",
            r"\d{3,4}(?-u:\b)",
            RESTRICTED,
        ),
        one(
            "FIN_C3_EXPIRY",
            r"卡有效期|有效期至?|有效期限|valid thru|good thru|card expiry|expiry date|expiration date|(?-u:\b)exp(?:iry|ires|\. date)?|到期年月",
            r"(?:0[1-9]|1[0-2])\s{0,1}[/-]\s{0,1}(?:20)?\d{2}(?-u:\b)",
            RESTRICTED,
        ),
        one(
            "FIN_C3_PASSWORD",
            r"交易密码|支付密码|取款密码|取现密码|查询密码|银行卡密码|卡密码|网银密码|登录密码|资金密码|手机银行密码|证券密码|ATM密码|提款密码|atm pin|card pin|(?-u:\b)pin code|(?-u:\b)pin number|(?-u:\b)pin(?-u:\b)|transaction password|payment password|trading password",
            r"(?:[0-9A-Za-z@#$%!_*&]{0,14}\d[0-9A-Za-z@#$%!_*&]{3,14}|\d{4,8})",
            RESTRICTED,
        ),
        Custom {
            name: "FIN_C3_TRACK".to_owned(),
            pattern: r"%[Bb]\d{12,19}\^[A-Za-z /.]{2,26}\^\d{7,60}\??|;\d{12,19}=\d{7,40}\??"
                .to_owned(),
            validator: None,
            context: Vec::new(),
            grade: RESTRICTED,
        },
        one(
            "FIN_C3_SMS_CODE",
            r"短信验证码|动态验证码|手机验证码|动态密码|动态口令|校验码|验证码|一次性密码|(?-u:\b)otp|one[- ]time (?:code|password|passcode)|verification code|sms code|(?-u:\b)2fa code",
            r"[0-9]{4,8}(?-u:\b)",
            RESTRICTED,
        ),
        one(
            "FIN_C2_BALANCE",
            r"账户余额|卡内余额|可用余额|存款余额|当前余额|账面余额|结余|授信额度|信用额度|贷款余额|持仓市值|总资产|月收入|年收入|税前年薪|account balance|available balance|current balance|credit limit",
            amount,
            CONFIDENTIAL,
        ),
        one(
            "FIN_C2_ACCOUNT",
            r"证券账号|证券账户|资金账号|资金账户|股东账号|股东代码|基金账号|期货账号|贷款账号|存折账号|对公账号|保单号|保单号码|结算账号|客户号|policy number|brokerage account",
            r"[A-Z]{0,3}\d{6,24}(?-u:\b)",
            CONFIDENTIAL,
        ),
        one(
            "FIN_C2_TRADE",
            r"交易流水号|流水编号|支付流水|转账金额|交易金额|还款金额|放款金额|扣款金额|消费金额",
            &format!(r"(?:[A-Z]{{0,4}}\d{{12,32}}(?-u:\b)|{amount})"),
            CONFIDENTIAL,
        ),
    ]
}
