//! Texts in which nothing must be found: the traps, and ordinary prose.

use super::Sample;
use super::random::Random;

type Trap = fn(&mut Random) -> String;

/// The traps.
pub const TRAPS: &[(&str, Trap)] = &[
    ("order numbers", |r| {
        format!("您的订单号{}已发货。", format_args!("2023{}", r.digits(14)))
    }),
    ("long flow numbers", |r| {
        let n = r.range(20, 28);
        format!("交易流水号：{}", r.digits(n))
    }),
    ("orders like phones", |r| {
        format!("订单编号：138{}", r.digits(8))
    }),
    ("waybills", |r| {
        format!(
            "{}{}已签收",
            r.pick(&["SF", "YT", "JD", "ZTO"]),
            r.digits(13)
        )
    }),
    ("timestamps", |r| {
        format!("{{\"ts\": 17{}, \"ok\": 1}}", r.digits(11))
    }),
    ("compact times", |r| {
        format!(
            "备份文件 backup_2024{:02}{:02}{:02}3015.tar.gz",
            r.range(1, 12),
            r.range(1, 28),
            r.range(10, 23)
        )
    }),
    ("versions", |r| {
        format!(
            "升级到版本 {}.{}.{}.{}",
            r.range(1, 9),
            r.range(0, 30),
            r.range(0, 200),
            r.range(0, 250)
        )
    }),
    ("v versions", |r| {
        format!(
            "release v{}.{}.{}",
            r.range(1, 20),
            r.range(0, 99),
            r.range(0, 99)
        )
    }),
    ("object identifiers", |r| {
        format!("OID 1.3.6.1.4.1.{}.1", r.range(1000, 9999))
    }),
    ("sections", |r| {
        format!(
            "详见第{}.{}.{}节",
            r.range(1, 9),
            r.range(1, 9),
            r.range(1, 9)
        )
    }),
    ("hashes", |r| {
        format!("sha256: {}", r.string("0123456789abcdef", 64))
    }),
    ("md5", |r| {
        format!("文件 md5 为 {}，请校验", r.string("0123456789abcdef", 32))
    }),
    ("commits", |r| {
        format!("git checkout {}", r.string("0123456789abcdef", 40))
    }),
    ("uuids", |r| {
        format!(
            "request {}-{}-4{}-a{}-{}",
            r.string("0123456789abcdef", 8),
            r.string("0123456789abcdef", 4),
            r.string("0123456789abcdef", 3),
            r.string("0123456789abcdef", 3),
            r.string("0123456789abcdef", 12)
        )
    }),
    ("image digests", |r| {
        format!(
            "docker pull nginx@sha256:{}",
            r.string("0123456789abcdef", 64)
        )
    }),
    ("base64 images", |r| {
        format!(
            "data:image/png;base64,iVBORw0KGgo{}==",
            r.string(super::values::ALNUM, 120)
        )
    }),
    ("public keys", |r| {
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----",
            r.string(super::values::ALNUM, 64)
        )
    }),
    ("isbn", |r| {
        format!("ISBN 978-7-{}-{}-{}", r.digits(3), r.digits(5), r.digits(1))
    }),
    ("bare isbn", |r| {
        format!("书号 978{} 的这本书", r.digits(10))
    }),
    ("icp", |r| {
        format!("{}ICP备{}号-1", r.char("京沪粤浙"), r.digits(8))
    }),
    ("police filing", |r| {
        format!("京公网安备 1101{}号", r.digits(10))
    }),
    ("official documents", |r| {
        format!("国办发〔20{}〕{}号文件", r.range(10, 24), r.range(1, 99))
    }),
    ("invoices", |r| format!("发票号码：{}", r.digits(20))),
    ("patents", |r| {
        format!(
            "专利号 ZL20{}1{}.{}",
            r.range(10, 23),
            r.digits(7),
            r.digits(1)
        )
    }),
    ("amounts", |r| {
        format!(
            "合计 {},{},{}.00 元",
            r.range(1, 99),
            r.string("123456789", 3),
            r.string("123456789", 3)
        )
    }),
    ("decimals", |_| {
        "π≈3.14159265358979323846264338327950288".to_owned()
    }),
    ("matrices", |r| {
        format!(
            "[[{}, {}, {}], [{}, {}, {}]]",
            r.range(0, 99),
            r.range(0, 99),
            r.range(0, 99),
            r.range(0, 99),
            r.range(0, 99),
            r.range(0, 99)
        )
        .replace("[[", "[ [")
    }),
    ("ratios", |r| {
        format!(
            "比例为{}:{}:{}",
            r.range(1, 9),
            r.range(1, 9),
            r.range(1, 99)
        )
    }),
    ("ports", |r| {
        format!(
            "监听 0.0.0.0:{} 与 127.0.0.1:{}",
            r.range(1000, 9999),
            r.range(1000, 9999)
        )
    }),
    ("colours", |r| {
        format!("color: #{};", r.string("0123456789abcdef", 6))
    }),
    ("addresses in memory", |r| {
        format!("segfault at 0x{}", r.string("0123456789abcdef", 12))
    }),
    ("paths", |_| {
        "use std::collections::HashMap; let x = foo::bar::<u8>();".to_owned()
    }),
    ("bad id check", |r| {
        let good = super::values::of("CN_ID_CARD", r);
        let last = if good.ends_with('7') { '3' } else { '7' };
        format!("测试号码{}{last}", &good[..17])
    }),
    ("bad id region", |r| {
        format!("编号99{}19900101{}", r.digits(4), r.digits(4))
    }),
    ("bad luhn", |r| {
        let good: String = super::values::of("CREDIT_CARD", r)
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        let last = (good.as_bytes()[good.len() - 1] - b'0' + 3) % 10;
        format!("号码 {}{last}", &good[..good.len() - 1])
    }),
    ("bad vin", |r| {
        let good = super::values::of("VIN", r);
        let c = if &good[8..9] == "1" { '2' } else { '1' };
        format!("编码 {}{c}{}", &good[..8], &good[9..])
    }),
    ("masked", |r| {
        format!(
            "尾号{}，手机138****{}，身份证110105********002X，卡号6222 **** **** {}",
            r.digits(4),
            r.digits(4),
            r.digits(4)
        )
    }),
    ("hotlines", |r| {
        format!(
            "客服热线{}，报警110，急救120，{}",
            r.pick(&["400-820-8820", "95588", "10086", "800-810-1234"]),
            r.pick(&["12345", "12315", "114"])
        )
    }),
    ("questions", |r| {
        r.pick(&[
            "身份证号有几位？",
            "手机号怎么校验？",
            "姓名要写拼音吗",
            "银行卡号的最后一位是怎么算的",
            "护照号码的格式是什么",
            "统一社会信用代码由谁发放？",
            "如何判断车牌号是否正确",
            "联系人分组怎么设置",
            "客户回访率是多少",
            "密码忘记了怎么办",
            "邮箱格式校验的正则怎么写",
        ])
        .to_owned()
    }),
    ("surname words", |r| {
        r.pick(&[
            "高温天气注意安全",
            "黄河流域生态保护",
            "白天气温较高",
            "这个周期比较长",
            "方向盘要握稳",
            "任意选择一个",
            "金融市场波动",
            "石头剪刀布",
            "于此同时",
            "常规检查没问题",
            "严重超标",
            "田径比赛",
            "万能钥匙",
            "安装步骤如下",
            "时段选择",
            "何时开始",
            "和平共处",
            "项目经理会议",
            "总经理办公室",
            "对于老师来说",
            "任何先生女士均可参加",
            "毛巾洗干净了",
            "各位老师大家好",
            "先生，请问您需要什么",
            "小姐姐真好看",
            "客户经理制度",
        ])
        .to_owned()
    }),
    ("places", |r| {
        r.pick(&[
            "北京市今天晴转多云",
            "我想去杭州西湖玩",
            "广东省深圳市经济发展",
            "上海市人民政府",
            "他来自四川成都",
            "地铁5号线开通",
            "第7号公告发布",
            "条条大路通罗马",
            "请到教室集合",
            "误区有三个",
            "网络地址转换",
            "路演定在周三",
            "中山路很堵",
            "华东区销售额增长",
            "会议室在三楼",
            "朝阳区房价",
            "长江大桥",
            "人民路上人很多",
        ])
        .to_owned()
    }),
    ("pseudonyms", |_| {
        "请联系<PHONE_1>，邮箱<EMAIL_2>，身份证<CN_ID_CARD_1>".to_owned()
    }),
    ("placeholders", |r| {
        r.pick(&[
            "password = YOUR_PASSWORD",
            "api_key: <token>",
            "token=xxxxxxxxxxxx",
            "secret: ******",
            "api_key = ${API_KEY}",
            "password: {{ secret }}",
            "token = os.environ[\"TOKEN\"]",
            "const token = process.env.TOKEN",
            "password = getToken()",
            "password: null",
            "AKIAIOSFODNN7EXAMPLE",
            "密码：********",
            "api_key = \"your-api-key-here\"",
            "password=changeme",
        ])
        .to_owned()
    }),
    ("not e-mails", |r| {
        r.pick(&[
            "npm i @types/node@18.0.0",
            "git clone git@github.com:org/repo.git",
            "@app.route('/x')",
            "user@localhost",
            "logo@2x.png",
            "lodash@4.17.21",
            "@Override public",
            "关注 @人民日报 的微博",
        ])
        .to_owned()
    }),
    ("not plates", |r| {
        r.pick(&[
            "皖B级通过",
            "闽C位出道",
            "粤B2-20090191",
            "京A股上涨",
            "苏E区停车",
            "A12345型号",
            "川A类企业",
        ])
        .to_owned()
    }),
    ("prices", |_| {
        "坐标系中点(12.50, 33.20)与(1.5, 2.5)".to_owned()
    }),
    ("contract dates", |r| {
        format!(
            "合同签订日期：20{}-0{}-1{}",
            r.range(10, 24),
            r.range(1, 9),
            r.range(0, 9)
        )
    }),
    ("serials", |r| {
        format!(
            "序列号：{}{}",
            r.string("ABCDEFGHJKLMNPQRSTUVWXYZ", 3),
            r.digits(9)
        )
    }),
    ("contracts", |r| {
        format!("合同号HT-2024-{}，采购单PO{}", r.digits(6), r.digits(10))
    }),
    ("lists of numbers", |r| {
        format!(
            "数据：{}",
            (0..12)
                .map(|_| r.range(0, 9999).to_string())
                .collect::<Vec<_>>()
                .join(", ")
        )
    }),
    ("big ids", |r| {
        format!("user_id: {}", r.digits(19).replacen('0', "7", 1))
    }),
    ("times", |_| {
        "09:30:15 开始，10:45:20 结束，共 1:15:05".to_owned()
    }),
    ("barcodes", |r| format!("条形码69{}", r.digits(11))),
    ("chinese numbers", |r| {
        r.pick(&[
            "一二线城市房价",
            "三三两两地走着",
            "五六百人参加了",
            "二〇二四年度报告",
            "七八成新",
            "一五一十地说",
            "九九八十一难",
        ])
        .to_owned()
    }),
    ("doi", |r| {
        format!(
            "doi:10.1{}/j.cell.20{}.0{}.0{}",
            r.digits(3),
            r.range(10, 24),
            r.range(1, 9),
            r.digits(2)
        )
    }),
];

const SENTENCES: &[&str] = &[
    "今天的会议主要讨论了下一季度的产品路线和人员安排，大家提出了不少有用的建议。",
    "请帮我把下面这段文字翻译成英文，要求语气正式，用词准确。",
    "这个函数的时间复杂度是多少，有没有更好的写法？",
    "天气转凉了，出门记得多穿一件衣服，晚上回来的时候路上小心。",
    "The quick brown fox jumps over the lazy dog while the rest of the team reviews the quarterly report.",
    "We should refactor this module so that each function does one thing and the tests stay readable.",
    "根据最新的研究，适量运动有助于改善睡眠质量，并能降低多种慢性疾病的风险。",
    "系统升级期间部分功能可能无法使用，由此带来的不便敬请谅解。",
    "Please summarise the following article in three bullet points and suggest a better title.",
    "孩子们在操场上奔跑嬉戏，笑声传遍了整个校园。",
    "公司计划在明年扩大海外市场的投入，重点布局东南亚和欧洲。",
    "如果接口返回错误，请先检查请求参数是否完整，再查看日志中的详细信息。",
    "Large language models can write code, but they still need careful review before anything is merged.",
    "这本书讲述了一个年轻人离开家乡到大城市打拼的故事，情节紧凑，人物鲜活。",
    "周末我们打算去郊外爬山，顺便尝尝当地的小吃。",
    "为了保证数据安全，所有的备份都要加密存储，并定期进行恢复演练。",
    "I am planning a trip to the mountains next month and need a packing list for cold weather.",
    "经济增长放缓的背景下，企业更需要控制成本，提高运营效率。",
    "老师布置的作业太多了，学生们都觉得压力很大。",
    "请把这份合同里的重点条款标出来，特别是违约责任和付款方式。",
    "How do I configure the proxy so that requests are retried only when they are safe to repeat?",
    "他慢慢地打开了那扇旧木门，屋里弥漫着淡淡的木头香味。",
    "这款手机的电池续航表现不错，拍照效果在同价位里也算出色。",
    "医生建议他少吃油腻的食物，多喝水，注意休息。",
];

/// An ordinary sentence.
pub fn sentence(r: &mut Random) -> String {
    r.pick(SENTENCES).to_owned()
}

/// Traps, `each` of every kind, and as much prose again.
#[must_use]
pub fn samples(each: usize, r: &mut Random) -> Vec<Sample> {
    let mut out = Vec::new();
    for &(trick, trap) in TRAPS {
        for _ in 0..each {
            let text = trap(r);
            let text = if r.once_in(2) {
                format!("{}{text}\n{}", sentence(r), sentence(r))
            } else {
                text
            };
            out.push(Sample {
                text,
                spans: Vec::new(),
                trick,
            });
        }
    }
    for _ in 0..each * 10 {
        let text = (0..4).map(|_| sentence(r)).collect();
        out.push(Sample {
            text,
            spans: Vec::new(),
            trick: "prose",
        });
    }
    out
}

/// Prose of about `bytes` bytes, for measuring speed.
#[must_use]
pub fn prose(bytes: usize, r: &mut Random) -> String {
    let mut text = String::with_capacity(bytes + 200);
    while text.len() < bytes {
        text.push_str(r.pick(SENTENCES));
        if r.once_in(4) {
            text.push('\n');
        }
    }
    text
}
