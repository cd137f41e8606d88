//! Makers of documents of persons, organisations and vehicles, with check digits worked out here.

use super::random::Random;

/// Letters and digits.
pub const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
pub(super) const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
pub(super) const HEX: &str = "0123456789abcdef";

pub(super) fn d(s: &str) -> Vec<usize> {
    s.chars()
        .map(|c| c.to_digit(36).unwrap() as usize)
        .collect()
}

pub(super) const REGIONS: [&str; 24] = [
    "110105", "310104", "440307", "330106", "320102", "510104", "420106", "610113", "370202",
    "210102", "350203", "430102", "500103", "120101", "130102", "140105", "220102", "230103",
    "340102", "360102", "410105", "450103", "520103", "530102",
];

pub(super) fn date(r: &mut Random) -> String {
    let (y, m) = (r.range(1945, 2015), r.range(1, 12));
    let day = r.range(
        1,
        match m {
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        },
    );
    format!("{y}{m:02}{day:02}")
}

pub(super) fn mod11_2(body: &str) -> char {
    let mut v = 0usize;
    // Horner's form of ISO 7064, not the table of weights.
    for n in d(body) {
        v = (v + n) * 2 % 11;
    }
    let c = (12 - v) % 11;
    if c == 10 {
        'X'
    } else {
        char::from_digit(c as u32, 10).unwrap()
    }
}

pub(super) fn id_body(region: &str, r: &mut Random) -> String {
    let body = format!("{region}{}{}", date(r), r.digits(3));
    let check = mod11_2(&body);
    format!("{body}{check}")
}

pub(super) fn luhn(body: &str) -> String {
    let mut sum = 0;
    for (i, n) in d(body).into_iter().rev().enumerate() {
        let n = if i % 2 == 0 { n * 2 } else { n };
        sum += n / 10 + n % 10;
    }
    format!("{body}{}", (10 - sum % 10) % 10)
}

pub(super) fn uscc(r: &mut Random) -> String {
    const SET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    let head = r.pick(&["91", "91", "91", "92", "51", "12", "93"]);
    let region = r.pick(&REGIONS);
    let org = if r.once_in(2) {
        format!("MA{}", r.string(SET, 6))
    } else {
        r.digits(8)
    };
    let org = format!("{org}{}", org_check(&org));
    let body = if org.chars().all(|c| SET.contains(c)) {
        format!("{head}{region}{org}")
    } else {
        format!("{head}{region}{}", r.digits(9))
    };
    let mut w = 1;
    let mut sum = 0;
    for c in body.chars() {
        sum += SET.find(c).unwrap() * w;
        w = w * 3 % 31;
    }
    format!("{body}{}", SET.chars().nth((31 - sum % 31) % 31).unwrap())
}

pub(super) fn org_check(body: &str) -> char {
    let sum: usize = d(body)
        .iter()
        .zip([3, 7, 9, 10, 5, 8, 4, 2])
        .map(|(a, w)| a * w)
        .sum();
    match 11 - sum % 11 {
        10 => 'X',
        11 => '0',
        n => char::from_digit(n as u32, 10).unwrap(),
    }
}

pub(super) fn business(r: &mut Random) -> String {
    let body = format!("{}{}", r.pick(&REGIONS), r.digits(8));
    let mut p = 10;
    for n in d(&body) {
        let s = (p + n) % 10;
        p = (if s == 0 { 10 } else { s }) * 2 % 11;
    }
    format!("{body}{}", (11 - p) % 10)
}

pub(super) fn vin(r: &mut Random) -> String {
    const SET: &str = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789";
    let wmi = r.pick(&[
        "LSV", "LFV", "LHG", "LVS", "WBA", "1HG", "JTD", "LGB", "LBV", "5YJ",
    ]);
    let text: Vec<char> = format!(
        "{wmi}{}0{}{}",
        r.string(SET, 5),
        r.string("ABCDEFGHJKLMNPRSTVWXY123456789", 1),
        r.string(SET, 1)
    )
    .chars()
    .chain(r.digits(6).chars())
    .collect();
    let value = |c: char| match c {
        '0'..='9' => c as usize - 48,
        _ => [
            1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 0, 7, 0, 9, 2, 3, 4, 5, 6, 7, 8, 9,
        ][c as usize - 65],
    };
    let w = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let sum: usize = text.iter().zip(w).map(|(&c, w)| value(c) * w).sum();
    let check = if sum % 11 == 10 {
        'X'
    } else {
        char::from_digit((sum % 11) as u32, 10).unwrap()
    };
    text.iter()
        .enumerate()
        .map(|(i, &c)| if i == 8 { check } else { c })
        .collect()
}

pub(super) fn iban(r: &mut Random) -> String {
    let (country, len, letters) = [
        ("DE", 18, false),
        ("GB", 18, true),
        ("FR", 23, false),
        ("ES", 20, false),
        ("CH", 17, false),
        ("NL", 14, true),
        ("IT", 23, false),
    ][r.below(7)];
    let bban = if letters {
        format!("{}{}", r.string(UPPER, 4), r.digits(len - 4))
    } else if country == "IT" {
        format!("X{}", r.digits(22))
    } else {
        r.digits(len)
    };
    let mut rest = 0u64;
    for n in d(&format!("{bban}{country}00")) {
        rest = if n > 9 {
            (rest * 100 + n as u64) % 97
        } else {
            (rest * 10 + n as u64) % 97
        };
    }
    let all = format!("{country}{:02}{bban}", 98 - rest);
    if r.once_in(2) {
        all
    } else {
        chunks(&all, &[4; 9], " ")
    }
}

/// Cuts into groups with a separator between.
pub fn chunks(text: &str, groups: &[usize], separator: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    let mut parts = Vec::new();
    for &g in groups {
        if at >= chars.len() {
            break;
        }
        let end = (at + g).min(chars.len());
        parts.push(chars[at..end].iter().collect::<String>());
        at = end;
    }
    if at < chars.len() {
        parts.push(chars[at..].iter().collect());
    }
    parts.join(separator)
}

pub(super) fn mrz(r: &mut Random) -> String {
    let check = |f: &str| {
        f.chars()
            .enumerate()
            .map(|(i, c)| {
                (if c == '<' {
                    0
                } else {
                    c.to_digit(36).unwrap() as usize
                }) * [7, 3, 1][i % 3]
            })
            .sum::<usize>()
            % 10
    };
    let name = format!(
        "{}<<{}",
        r.pick(&["ZHANG", "WANG", "SMITH", "LI"]),
        r.pick(&["WEI", "XIAOMING", "JOHN", "NA"])
    );
    let first = format!("{:<<44}", format!("P{}CHN{name}", r.pick(&["O", "<"])));
    let number = format!("E{}", r.digits(8));
    let (birth, expiry, optional) = (
        &date(r)[2..],
        format!("3{}0101", r.digits(1)),
        "<".repeat(14),
    );
    let (a, b, c, o) = (check(&number), check(birth), check(&expiry), 0);
    let composite = check(&format!("{number}{a}{birth}{b}{expiry}{c}{optional}{o}"));
    format!(
        "{first}\n{number}{a}CHN{birth}{b}{}{expiry}{c}{optional}{o}{composite}",
        r.pick(&["M", "F"])
    )
}

/// Mobile prefixes in use.
pub fn mobile(r: &mut Random) -> String {
    let head = r.pick(&[
        "134", "135", "136", "137", "138", "139", "147", "150", "151", "152", "157", "158", "159",
        "172", "178", "182", "183", "184", "187", "188", "195", "197", "198", "130", "131", "132",
        "155", "156", "166", "175", "176", "185", "186", "196", "133", "149", "153", "173", "177",
        "180", "181", "189", "190", "191", "193", "199", "192", "162", "165", "167", "170", "171",
    ]);
    let tail = if head == "134" {
        format!("{}{}", r.range(0, 8), r.digits(7))
    } else {
        r.digits(8)
    };
    format!("{head}{tail}")
}

pub(super) const SURNAMES: &str = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾萧田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤";
pub(super) const GIVEN: &str = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂文辉建华玲飞玉红鹏斌志梅波宇浩凯健俊帆帅婷雪慧丹倩琳欣怡佳雯晨阳龙峰国海东林春燕兰云梦洁晓梓轩涵诗思雨泽瑞琪蕾颖璐萱睿博嘉依辰逸韵";

/// A Chinese name.
pub fn name(r: &mut Random) -> String {
    let surname = if r.once_in(15) {
        r.pick(&["欧阳", "司马", "上官", "诸葛", "慕容", "夏侯"])
            .to_owned()
    } else {
        r.char(SURNAMES).to_string()
    };
    let n = if r.once_in(4) { 1 } else { 2 };
    format!("{surname}{}", r.string(GIVEN, n))
}

pub(super) fn address(r: &mut Random) -> String {
    if r.once_in(10) {
        return format!(
            "{} {} {}, {}, {} {}",
            r.range(10, 9999),
            r.pick(&["Main", "Oak", "Maple", "Elm Hill", "Park"]),
            r.pick(&["Street", "Ave", "Rd", "Blvd", "Lane", "Dr"]),
            r.pick(&["Springfield", "Portland", "San Jose", "Austin"]),
            r.pick(&["IL", "OR", "CA", "TX"]),
            r.range(10001, 99950)
        );
    }
    let city = r.pick(&[
        "北京市朝阳区",
        "北京市海淀区",
        "上海市浦东新区",
        "广东省深圳市南山区",
        "广东省广州市天河区",
        "浙江省杭州市西湖区",
        "江苏省南京市鼓楼区",
        "四川省成都市武侯区",
        "湖北省武汉市洪山区",
        "陕西省西安市雁塔区",
        "山东省青岛市市南区",
        "重庆市渝中区",
        "福建省厦门市思明区",
        "天津市和平区",
        "河南省郑州市金水区",
        "湖南省长沙市岳麓区",
        "杭州市余杭区",
        "深圳市福田区",
        "内蒙古自治区呼和浩特市新城区",
        "云南省昆明市五华区",
        "贵州省遵义市仁怀市茅台镇",
    ]);
    let road = format!(
        "{}{}{}号",
        r.pick(&[
            "建国",
            "中山",
            "人民",
            "解放",
            "科技",
            "文一西",
            "天府",
            "长江",
            "学院",
            "和平",
            "软件园",
            "新华"
        ]),
        r.pick(&["路", "大道", "街", "路", "东路", "北街"]),
        r.range(1, 999)
    );
    let estate = r.pick(&[
        "",
        "",
        "阳光花园",
        "万科城市花园",
        "绿地小区",
        "世纪大厦",
        "金域华府",
        "翠湖公寓",
    ]);
    let door = match r.below(6) {
        0 => format!(
            "{}号楼{}单元{}室",
            r.range(1, 30),
            r.range(1, 6),
            r.range(101, 3302)
        ),
        1 => format!("{}栋{}室", r.range(1, 30), r.range(101, 3302)),
        2 => format!("{}座{}层", r.char("ABCD"), r.range(2, 40)),
        3 => format!(
            "{}幢{}单元{}",
            r.range(1, 30),
            r.range(1, 6),
            r.range(101, 3302)
        ),
        4 => format!(
            "{}-{}-{}",
            r.range(1, 30),
            r.range(1, 6),
            r.range(101, 3302)
        ),
        _ => return format!("{city}{road}"),
    };
    format!("{city}{road}{estate}{door}")
}

pub(super) fn plate(r: &mut Random) -> String {
    let p = r.char("京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼");
    let l = r.char("ABCDEFGHJKLMNPQRSTUVWXYZ");
    let dot = r.pick(&["", "", "·", " "]);
    const BODY: &str = "ABCDEFGHJKLMNPQRSTUVWXYZ";
    match r.below(6) {
        0 => format!("{p}{l}{dot}{}{}", r.pick(&["D", "F"]), r.digits(5)),
        1 => format!("{p}{l}{dot}{}{}", r.digits(5), r.pick(&["D", "F"])),
        2 => format!("{p}{l}{dot}{}{}", r.digits(4), r.pick(&["警", "学", "挂"])),
        3 => format!("{p}{l}{dot}{}{}", r.char(BODY), r.digits(4)),
        4 => format!("{p}{l}{dot}{}{}{}", r.digits(2), r.char(BODY), r.digits(2)),
        _ => format!("{p}{l}{dot}{}", r.digits(5)),
    }
}

pub(super) fn hk(r: &mut Random) -> String {
    let letters = if r.once_in(5) {
        r.string(UPPER, 2)
    } else {
        r.string(UPPER, 1)
    };
    let digits = r.digits(6);
    let mut chars: Vec<usize> = if letters.len() == 1 {
        vec![36]
    } else {
        Vec::new()
    };
    chars.extend(d(&letters));
    chars.extend(d(&digits));
    let sum: usize = chars.iter().zip((2..=9).rev()).map(|(v, w)| v * w).sum();
    let c = match 11 - sum % 11 {
        10 => "A".into(),
        11 => "0".into(),
        n => n.to_string(),
    };
    format!("{letters}{digits}({c})")
}

pub(super) fn tw(r: &mut Random) -> String {
    let (letter, code) = [
        ('A', 10),
        ('B', 11),
        ('C', 12),
        ('D', 13),
        ('E', 14),
        ('F', 15),
        ('G', 16),
        ('H', 17),
        ('I', 34),
        ('N', 22),
        ('O', 35),
        ('W', 32),
        ('Z', 33),
    ][r.below(13)];
    let body = format!("{}{}", r.pick(&["1", "2", "8", "9"]), r.digits(7));
    let sum: usize = code / 10
        + code % 10 * 9
        + d(&body)
            .iter()
            .zip((1..=8).rev())
            .map(|(v, w)| v * w)
            .sum::<usize>();
    format!("{letter}{body}{}", (10 - sum % 10) % 10)
}

pub(super) fn nric(r: &mut Random) -> String {
    let p = r.char("STFGM");
    let body = r.digits(7);
    let sum: usize = d(&body)
        .iter()
        .zip([2, 7, 6, 5, 4, 3, 2])
        .map(|(v, w)| v * w)
        .sum::<usize>()
        + match p {
            'T' | 'G' => 4,
            'M' => 3,
            _ => 0,
        };
    let c = match p {
        'S' | 'T' => "JZIHGFEDCBA".chars().nth(sum % 11),
        'F' | 'G' => "XWUTRQPNMLK".chars().nth(sum % 11),
        _ => "KLJNPQRTUWX".chars().rev().nth(sum % 11),
    };
    format!("{p}{body}{}", c.unwrap())
}

pub(super) fn my_number(r: &mut Random) -> String {
    let body = r.digits(11);
    let sum: usize = d(&body)
        .iter()
        .rev()
        .enumerate()
        .map(|(i, v)| v * if i < 6 { i + 2 } else { i - 4 })
        .sum();
    let c = if sum % 11 <= 1 { 0 } else { 11 - sum % 11 };
    format!("{body}{c}")
}

pub(super) fn rrn(r: &mut Random) -> String {
    let birth = date(r);
    let g = if birth.starts_with("19") {
        r.range(1, 2)
    } else {
        r.range(3, 4)
    };
    let body = format!("{}{g}{}", &birth[2..], r.digits(5));
    let sum: usize = d(&body)
        .iter()
        .zip([2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5])
        .map(|(v, w)| v * w)
        .sum();
    let all = format!("{body}{}", (11 - sum % 11) % 10);
    format!("{}-{}", &all[..6], &all[6..])
}

pub(super) fn ssn(r: &mut Random) -> String {
    format!(
        "{:03}-{:02}-{:04}",
        r.range(101, 665),
        r.range(1, 99),
        r.range(1, 9999)
    )
}
