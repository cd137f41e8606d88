//! Where values stand: sentences, forms, JSON, tables, logs, code.
//!
//! Each list is used by halves: even entries for tuning, odd ones for evaluation.

use super::random::Random;
use super::{Sample, values};

/// Which half of the contexts is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// For tuning.
    Tune,
    /// Held out.
    Evaluate,
}

const CUED: &[&str] = &[
    "{c}：{v}",
    "{c}: {v}",
    "{c}{v}",
    "{c}是{v}",
    "请登记{c}{v}，谢谢。",
    "客服您好，我的{c}是{v}，麻烦核实一下。",
    "{c}为{v}。",
    "{c} {v}",
    "【{c}】{v}",
    "{\"{c}\": \"{v}\"}",
    "{\"{c}\":\"{v}\",\"ok\":true}",
    "{c}={v}",
    "备注：{c}：{v}；其他无。",
    "- {c}: {v}",
    "| {c} | {v} |",
    "2024-05-01 10:22:31 INFO user {c}={v} ok",
    "<{c}>{v}</{c}>",
    "他说{c}：{v}，请尽快处理。",
    "{c}（{v}）",
    "新系统里录入的{c}：{v}\n下一步点击提交",
    "{c}\t{v}",
    "**{c}**：{v}",
];
const BARE: &[&str] = &[
    "{v}",
    "麻烦帮我查一下{v}这条记录",
    "Please check {v} for me.",
    "结果如下：\n{v}\n以上。",
    "（{v}）",
    "\"{v}\"",
    "已收到 {v}，稍后处理",
    "value = '{v}'",
    "{v} 是什么",
    "看看这个：{v}。",
    "`{v}`",
    "回复{v}即可",
];
/// Types whose values must not be put into quotes or cells that change their meaning, with the frames they do fit.
const ASSIGNED: &[&str] = &[
    "{c}={v}",
    "{c}: {v}",
    "{c} = \"{v}\"",
    "export {c}={v}",
    "{\"{c}\": \"{v}\"}",
    "{c}: '{v}'\n",
    "{c}：{v}",
    "配置里{c}={v}，别外传",
];
const NAMES: &[&str] = &[
    "{c}：{v}，",
    "{c}:{v}\n",
    "{\"name\":\"{v}\",\"age\":3}",
    "我叫{v}，想咨询一下。",
    "{v}先生",
    "请转告{v}女士，谢谢",
    "{v} 13800138000",
    "{c}{v}，女，35岁",
    "{c}：{v}（男）",
    "联系人{v}，电话稍后补",
    "{\"realName\": \"{v}\"}",
    "患者{v}因发热入院",
    "| 姓名 | 年龄 |\n|---|---|\n| {v} | 30 |",
    "你好，我是{v}，",
    "Dear Mr. John Smith, {c}：{v}",
    "收件人：{v} 收",
    "投保人{v}，",
    "姓名\t城市\n{v}\t北京\n",
];

fn half<'a>(list: &[&'a str], split: Split) -> Vec<&'a str> {
    let odd = usize::from(split == Split::Evaluate);
    let chosen: Vec<&str> = list.iter().skip(odd).step_by(2).copied().collect();
    if chosen.is_empty() {
        list.to_vec()
    } else {
        chosen
    }
}

/// One sample of the type.
#[must_use]
pub fn sample(kind: &(&'static str, bool, &[&str]), split: Split, r: &mut Random) -> Sample {
    let &(name, cue_needed, cues) = kind;
    let value = values::of(name, r);
    let marked = format!("[[{name}|{value}]]");
    let cue = r.pick(&half(cues, split));
    let frames = match name {
        "PERSON_NAME" => half(NAMES, split),
        "GENERIC_SECRET" | "AWS_SECRET_KEY" | "ALIYUN_SECRET_KEY" | "TENCENT_SECRET_KEY" => {
            half(ASSIGNED, split)
        }
        _ if cue_needed || !r.once_in(3) => half(CUED, split),
        _ => half(BARE, split),
    };
    let frame = r.pick(&frames);
    // Nobody writes a Latin word and a value without a space.
    let frame = if cue.ends_with(|c: char| c.is_ascii_alphabetic()) {
        frame.replace("{c}{v}", "{c} {v}")
    } else {
        frame.to_owned()
    };
    let mut text = frame.replace("{c}", cue).replace("{v}", &marked);
    if name == "PERSON_NAME" {
        text = text
            .replace(" 13800138000", " [[CN_MOBILE|13800138000]]")
            .replace("John Smith", "[[PERSON_NAME|John Smith]]");
        for title in ["先生", "女士"] {
            text = text.replace(&format!("]]{title}"), &format!("{title}]]"));
        }
    }
    if name == "ADDRESS" && frame.contains("{v}这")
        || name == "IP_ADDRESS" && frame.starts_with('2')
    {
        text = format!("{cue}：{marked}");
    }
    let text = surround(&text, r);
    Sample::marked(&text, "")
}

/// Ordinary text around.
fn surround(text: &str, r: &mut Random) -> String {
    let before = if r.once_in(3) {
        format!("{}\n", super::negatives::sentence(r))
    } else {
        String::new()
    };
    let after = if r.once_in(3) {
        format!("\n{}", super::negatives::sentence(r))
    } else {
        String::new()
    };
    format!("{before}{text}{after}")
}

/// A text with several findings: a record as people paste it.
#[must_use]
pub fn record(r: &mut Random) -> Sample {
    let v = |kind: &str, r: &mut Random| format!("[[{kind}|{}]]", values::of(kind, r));
    let text = match r.below(6) {
        0 => format!(
            "客户信息：\n姓名：{}\n手机：{}\n身份证：{}\n地址：{}\n",
            v("PERSON_NAME", r),
            v("CN_MOBILE", r),
            v("CN_ID_CARD", r),
            v("ADDRESS", r)
        ),
        1 => format!(
            "姓名\t手机号\t工号\n{}\t[[CN_MOBILE|{}]]\t{}\n{}\t[[CN_MOBILE|{}]]\t{}\n",
            v("PERSON_NAME", r),
            values::mobile(r),
            v("EMPLOYEE_ID", r),
            v("PERSON_NAME", r),
            values::mobile(r),
            v("EMPLOYEE_ID", r)
        ),
        2 => format!(
            "{{\"name\":\"{}\",\"phone\":\"{}\",\"idCard\":\"{}\",\"email\":\"{}\"}}",
            v("PERSON_NAME", r),
            v("CN_MOBILE", r),
            v("CN_ID_CARD", r),
            v("EMAIL", r)
        ),
        3 => format!(
            "{}，{}，{}",
            v("PERSON_NAME", r),
            v("CN_MOBILE", r),
            v("ADDRESS", r)
        ),
        4 => format!(
            "host={} user=app password={}\nDATABASE_URL={}\n",
            v("IP_ADDRESS", r),
            v("GENERIC_SECRET", r),
            v("DB_URL", r)
        ),
        _ => format!(
            "转账给{}：户名{}，卡号{}，手机{}。",
            "对方",
            v("PERSON_NAME", r),
            v("BANK_CARD", r),
            v("CN_MOBILE", r)
        ),
    };
    Sample::marked(&text, "")
}
