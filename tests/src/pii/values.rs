//! Valid values of every type, made anew each time: one arm per type.

use super::makers::*;
use super::more_makers::*;
use super::random::Random;

pub use super::makers::{ALNUM, chunks, mobile, name};

/// A value of the type.
///
/// # Panics
/// If there is no such type: the corpus must have all.
#[must_use]
pub fn of(kind: &str, r: &mut Random) -> String {
    match kind {
        "CN_ID_CARD" => {
            let region = r.pick(&REGIONS);
            id_body(region, r)
        }
        "CN_ID_CARD_15" => format!("{}{}{}", r.pick(&REGIONS), &date(r)[2..], r.digits(3)),
        "CN_HMT_RESIDENCE" => {
            let region = r.pick(&["810000", "820000", "830000"]);
            id_body(region, r)
        }
        "CN_HM_PASS" => format!(
            "{}{}",
            r.pick(&["H", "M"]),
            if r.once_in(3) {
                format!("{}0{}", r.digits(8), r.below(4))
            } else {
                r.digits(8)
            }
        ),
        "CN_TW_PASS" => r.digits(8).replacen('0', "1", 1),
        "CN_FPR_ID" => {
            if r.once_in(3) {
                format!(
                    "{}1101{}{}",
                    r.pick(&["USA", "GBR", "JPN", "KOR", "DEU"]),
                    &date(r)[2..],
                    r.digits(2)
                )
            } else {
                let head = format!(
                    "9{}{}",
                    r.pick(&["11", "31", "44"]),
                    r.pick(&["840", "826", "392", "410", "276"])
                );
                id_body(&head, r)
            }
        }
        "CN_PASSPORT" => match r.below(4) {
            0 => format!("E{}{}", r.char("ABCDEFGHJKLM"), r.digits(7)),
            1 => format!("G{}", r.digits(8)),
            2 => format!("PE{}", r.digits(7)),
            _ => format!("E{}", r.digits(8)),
        },
        "PASSPORT_MRZ" => mrz(r),
        "CN_MOBILE" => {
            let m = mobile(r);
            match r.below(6) {
                0 => format!("+86 {m}"),
                1 => chunks(&m, &[3, 4, 4], "-"),
                2 => chunks(&m, &[3, 4, 4], " "),
                3 => format!("+86{m}"),
                _ => m,
            }
        }
        "CN_LANDLINE" => landline(r),
        "PERSON_NAME" => name(r),
        "ADDRESS" => address(r),
        "DATE_OF_BIRTH" => {
            let t = date(r);
            let (y, m, day) = (&t[..4], &t[4..6], &t[6..]);
            match r.below(4) {
                0 => format!("{y}-{m}-{day}"),
                1 => format!(
                    "{y}年{}月{}日",
                    m.trim_start_matches('0'),
                    day.trim_start_matches('0')
                ),
                2 => format!("{y}/{m}/{day}"),
                _ => t,
            }
        }
        "CN_MILITARY_ID" => format!(
            "{}字第{}号",
            r.char("军士文政后装海空南北沈兰成济广武"),
            {
                let n = r.range(6, 8);
                r.digits(n)
            }
        ),
        "CN_SOCIAL_SECURITY" => {
            if r.once_in(2) {
                format!("{}{}", r.char(UPPER), r.digits(8))
            } else {
                let n = r.range(9, 10);
                r.digits(n)
            }
        }
        "MEDICAL_INSURANCE_NO" => {
            let n = r.range(9, 12);
            format!("{}{}", r.pick(&["", "Y", "YB"]), r.digits(n - 1))
        }
        "MEDICAL_RECORD_NO" => {
            let n = r.range(6, 10);
            format!("{}{}", r.pick(&["", "MR", "ZY", "B"]), r.digits(n))
        }
        "WECHAT_ID" => {
            if r.once_in(3) {
                format!(
                    "wxid_{}",
                    r.string("abcdefghijklmnopqrstuvwxyz0123456789", 14)
                )
            } else {
                format!(
                    "{}{}{}",
                    r.pick(&["zhang", "lily", "cool", "abc"]),
                    r.pick(&["_", "-", ""]),
                    r.digits(5)
                )
            }
        }
        "QQ_ID" => {
            let n = r.range(5, 10);
            format!("{}{}", r.range(1, 9), r.digits(n - 1))
        }
        "STUDENT_ID" => format!("20{}{}", r.range(10, 24), r.digits(6)),
        "EMPLOYEE_ID" => format!("{}{}", r.pick(&["", "A", "EMP", "BJ"]), {
            let n = r.range(6, 8);
            r.digits(n)
        }),
        "CN_USCC" | "CN_TAX_ID" => uscc(r),
        "CN_ORG_CODE" => {
            let b = if r.once_in(2) {
                r.digits(8)
            } else {
                format!("MA{}{}", r.string("ABCDEFGH", 1), r.digits(5))
            };
            let c = org_check(&b);
            format!("{b}-{c}")
        }
        "CN_BIZ_LICENSE" => business(r),
        "CN_PLATE" => plate(r),
        "VIN" => vin(r),
        "BANK_CARD" => {
            let c = card(r);
            match r.below(4) {
                0 => chunks(&c, &[4; 5], " "),
                1 => chunks(&c, &[4; 5], "-"),
                _ => c,
            }
        }
        "CREDIT_CARD" => {
            let c = credit(r);
            if c.len() == 15 {
                if r.once_in(2) {
                    chunks(&c, &[4, 6, 5], " ")
                } else {
                    c
                }
            } else if r.once_in(2) {
                chunks(&c, &[4; 4], " ")
            } else {
                c
            }
        }
        "IBAN" => iban(r),
        "EMAIL" => email(r),
        "IP_ADDRESS" => ip(r),
        "MAC_ADDRESS" => mac(r),
        "IMEI" => luhn(&format!("{}{}", r.pick(&["86", "35"]), r.digits(12))),
        "GPS_COORD" => gps(r),
        "URL_CREDENTIAL" => format!(
            "{}://{}:{}@{}",
            r.pick(&["https", "http", "ftp"]),
            r.pick(&["admin", "deploy", "git"]),
            password(r).replace(['@', '#'], "_"),
            r.pick(&["git.example.com", "ftp.corp.cn", "10.1.2.3:8443"])
        ),
        "DB_URL" => format!(
            "{}://{}:{}@{}/{}",
            r.pick(&[
                "mysql",
                "postgres",
                "postgresql",
                "mongodb",
                "mongodb+srv",
                "redis",
                "amqp"
            ]),
            r.pick(&["root", "app", "admin"]),
            password(r).replace(['@', '#'], "_"),
            r.pick(&[
                "db.internal:3306",
                "10.0.0.8:5432",
                "cluster0.example.net",
                "127.0.0.1:6379"
            ]),
            r.pick(&["app", "prod?ssl=true", "0"])
        ),
        "US_SSN" => ssn(r),
        "PHONE_INTL" => phone_intl(r),
        "HK_ID" => hk(r),
        "TW_ID" => tw(r),
        "SG_NRIC" => nric(r),
        "JP_MY_NUMBER" => my_number(r),
        "KR_RRN" => rrn(r),
        _ => secret(kind, r),
    }
}

fn secret(kind: &str, r: &mut Random) -> String {
    match kind {
        "AWS_ACCESS_KEY" => format!(
            "{}{}",
            r.pick(&["AKIA", "ASIA"]),
            r.string("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)
        ),
        "AWS_SECRET_KEY" => format!(
            "a9Z{}",
            r.string(
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/+",
                37
            )
        ),
        "ALIYUN_ACCESS_KEY" => format!("LTAI{}", r.string(ALNUM, 20)),
        "ALIYUN_SECRET_KEY" => format!("b7Q{}", r.string(ALNUM, 27)),
        "TENCENT_SECRET_ID" => format!("AKID{}", r.string(ALNUM, 32)),
        "TENCENT_SECRET_KEY" => format!("c3W{}", r.string(ALNUM, 29)),
        "BAIDU_API_KEY" => format!("bce-v3/ALTAK-{}/{}", r.string(ALNUM, 21), r.string(HEX, 40)),
        "VOLC_ACCESS_KEY" => format!("AKLT{}", r.string(ALNUM, 44)),
        "OPENAI_API_KEY" => {
            if r.once_in(2) {
                format!("sk-{}T3BlbkFJ{}", r.string(ALNUM, 20), r.string(ALNUM, 20))
            } else {
                format!("sk-proj-{}", r.string(&format!("{ALNUM}-_"), 60))
            }
        }
        "ANTHROPIC_API_KEY" => format!("sk-ant-api03-{}AA", r.string(&format!("{ALNUM}-_"), 93)),
        "LLM_API_KEY" => match r.below(4) {
            0 => format!(
                "hf_{}",
                r.string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 34)
            ),
            1 => format!("{}.{}", r.string(HEX, 32), r.string(ALNUM, 16)),
            2 => format!("gsk_{}", r.string(ALNUM, 52)),
            _ => format!("sk-{}", r.string(HEX, 32)),
        },
        "GITHUB_TOKEN" => {
            if r.once_in(3) {
                format!("github_pat_{}_{}", r.string(ALNUM, 22), r.string(ALNUM, 59))
            } else {
                format!(
                    "{}{}",
                    r.pick(&["ghp_", "gho_", "ghs_"]),
                    r.string(ALNUM, 36)
                )
            }
        }
        "GITLAB_TOKEN" => format!("glpat-{}", r.string(ALNUM, 20)),
        "SLACK_TOKEN" => format!(
            "xoxb-{}-{}-{}",
            r.digits(12),
            r.digits(12),
            r.string(ALNUM, 24)
        ),
        "STRIPE_KEY" => format!(
            "{}{}",
            r.pick(&["sk_live_", "rk_live_", "sk_test_"]),
            r.string(ALNUM, 24)
        ),
        "GOOGLE_API_KEY" => format!("AIza{}", r.string(ALNUM, 35)),
        "JWT" => format!(
            "{}.{}.{}",
            base64url("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"),
            base64url(&format!("{{\"sub\":\"{}\",\"name\":\"x\"}}", r.digits(10))),
            r.string(ALNUM, 43)
        ),
        "PRIVATE_KEY" => {
            let k = r.pick(&["", "RSA ", "EC ", "OPENSSH "]);
            let body: Vec<String> = (0..r.range(2, 6))
                .map(|_| r.string(&format!("{ALNUM}+/"), 64))
                .collect();
            format!(
                "-----BEGIN {k}PRIVATE KEY-----\n{}\n-----END {k}PRIVATE KEY-----",
                body.join("\n")
            )
        }
        "GENERIC_SECRET" => {
            if r.once_in(3) {
                format!("f3{}", r.string(HEX, 30))
            } else {
                password(r)
            }
        }
        other => panic!("no values of type {other}"),
    }
}
