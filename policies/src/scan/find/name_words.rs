//! The words that names of persons stand beside: cues before, titles and verbs behind.
//!
//! Data, and an index of each by one of its characters. Invariant: where several fit, the longest comes first.

use std::sync::LazyLock;

use crate::scan::han::{self, Index};
use crate::scan::view::View;

/// Words a name follows, with or without a colon.
const CUES: &str = "姓名 名字 联系人 收件人 寄件人 收货人 患者 病人 客户 户名 持卡人 申请人 经办人 法定代表人 法人 甲方 \
乙方 投保人 乘机人 借款人 配偶 监护人 我叫 同学 员工 签收人 被保险人 受益人 负责人 开户人 开户名 \
收款人 付款人 乘客 乘车人 入住人 租客 房东 承租人 出租人 担保人 当事人 原告 被告 证人 候选人 面试者 \
学生 家长 紧急联系人 主治医师 主治医生 医生 护士 业主 车主 户主 房主 店主 雇主 货主 失主 船主 死者 伤者 逝者 记者 作者 申请者 报名者 志愿者 嫌疑人 上诉人 审判长 审判员 陪审员 书记员 执行员 公证员 调解员 仲裁员 检察员 检察官 侦查员 收银员 快递员 配送员 保安员 教练员 研究员 技术员 \
质检员 安全员 施工员 监理员 资料员 业务员 客户经理 客服专员 项目经理 理财经理 店长 班长 组长 队长 校长 院长 科长 处长 局长 所长 村长 董事长 \
监事 董事 总经理 出纳 会计 面试官 辅导员 导师 教练 投标人 发包人 承包人 定作人 驾驶员 司机 车主姓名 审批人 报告人 发件人 \
联系人姓名 用户姓名 客户姓名 真实姓名 本人 嫌疑人 机主 会员 法定代表 名叫 叫做 参会人 报销人 值班人 \
领取人 姓名是 销售 顾客 旅客 委托人 代理人 操作员 签名 签字 参保人 纳税人 考生 候诊人 就诊人 亲属 \
父亲 母亲 丈夫 妻子 儿子 女儿 哥哥 姐姐 弟弟 妹妹 登记人 投诉人 举报人 班主任 \
戶名 客戶 聯絡人 聯繫人 收貨人 負責人 監護人 申請人 經辦人 學生 員工 同學 醫生 護士";

/// What somebody does: with 人 behind, a word a name follows.
const DOERS: &str = "收信 寄信 发信 送信 写信 报案 汇款 转账 转出 转入 投递 送货 提货 发货 订货 订餐 订票 取件 取票 托运 委托 授权 监护 看护 陪护 护理 \
介绍 推荐 引荐 申报 填报 填表 填写 制表 制单 审核 复核 批准 记录 报名 参赛 参训 应聘 求职 面试 候选 竞选 主持 主讲 演讲 汇报 发言 \
发布 起草 撰稿 拟稿 编制 校对 质检 检验 验收 保管 领用 借用 借阅 归还 经手 受理 承办 办理 接待 陪同 值班 交班 接班 联络 对接 \
联系 收件 预订 预定 下单 收款 付款 开票 报价 采购 租赁 出借 贷款 抵押 质押 保证 担保 投保 受益 索赔 理赔 肇事 受害 被害 报警 \
被告 原告 犯罪嫌疑 目击 证明 见证 起诉 上诉 申诉 代理 辩护 鉴定 举报 投诉 反映 咨询 来访 来电 致电 回访 走访 申请执行 被执行 被申请 开户 持票 出票 \
承兑 背书 过户 转让 受让 出让 买受 出卖 赠与 受赠 继承 遗嘱 执行 负责 管理 使用 所有 权利 义务 立据 立约 签约 署名 落款 收货 寄货";

/// Latin keys a name follows behind `:` or `=`.
const KEYS: &str = "name realname username xm fullname customername contactname patientname contact receiver recipient \
customer patient consignee xingming owner holder accountname cardholder truename nickname sender \
applicant employee student passenger guest tenant payee payer beneficiary insured signer signatory author doctor nurse \
driver user nick cname chinesename namecn namezh cnname contactperson linkman consigner shipper teacher manager staff \
member client buyer seller leader assignee reporter operator creator username parent child spouse guardian";

/// Cues so common in other use that a colon, or a border behind the name, must support them.
const SOFT: &str = "收银员 快递员 配送员 保安员 教练员 研究员 技术员 质检员 安全员 施工员 业务员 客户经理 客服专员 项目经理 理财经理 店长 班长 组长 队长 \
校长 院长 科长 处长 局长 所长 村长 董事长 监事 董事 总经理 出纳 会计 面试官 辅导员 导师 教练 审判长 审判员 陪审员 书记员 执行员 公证员 调解员 仲裁员 检察员 \
检察官 侦查员 监理员 资料员 死者 伤者 逝者 记者 作者 申请者 报名者 志愿者 客户 同学 员工 学生 医生 护士 法人 甲方 乙方 本人 销售 会员 签名 签字 老师 教师 居民 村民 经理 父亲 \
母亲 丈夫 妻子 儿子 女儿 哥哥 姐姐 弟弟 妹妹 家长 司机 乘客 顾客 旅客 名字 配偶 姓名 纳税人 负责人 \
联系人 患者 病人 当事人 业主 车主 房东 租客 原告 被告 证人 考生 操作员 法定代表";

/// Titles behind a name.
const TITLES: &str = "先生 女士 小姐 老师 医生 同志 同学 经理 主任 律师 教授 大夫 护士 师傅 总监 博士 阿姨 叔叔 校长 院长 \
总 工 太太 警官 法官 处长 局长 科长 书记 主管 会计 經理 醫生 老師 護士 師傅 總監";

/// Words that may follow a name directly, so that the name ends before them.
const FOLLOW: &str = "电话 手机 身份证 先生 女士 小姐 老师 医生 明天 今天 昨天 因为 已经 的 在 是 于 因 已 和 与 及 ， 住 \
联系 地址 性别 年龄 出生 来自 说 请 将 向 把 被 对 从 到 去 为 有 没 不 也 还 就 都 要 想 会 能 可 \
现 曾 男 女 入院 出院 住院 申请 提交 报销 申报 购买 预约 入职 离职 签收 收到 负责 使用 户籍 护照 \
银行卡 卡号 工号 学号 同学 同志 经理 主任 律师 主诉 确诊 诊断 患 需要 希望 反馈 投诉 来电 寄 发 给 \
签 办 参加 微信 邮箱 等 你 我 他 她 上 下 本 该 等人 您 反映 前 后 日 月 表示 称 与其 并 或 以 转 付 \
借 租 买 卖 拨 打 交 填 写 取 收 由 共 之 又 再 才 刚 了 着 过 吗 吧 呢 啊 这 那 此 其 所 教授 博士 \
号 一 推荐 介绍 告诉 发来 发送 转发 邮寄 寄来 汇款 转账 打来 打电话 预订 订购 下单 投保 理赔 报案 咨询 询问 要求 建议 认为 \
觉得 承诺 同意 拒绝 签署 签字 签订 缴纳 支付 领取 办理 驾驶 乘坐 入住 退房 就诊 复诊 手术 服用 过敏 发烧 发热 咳嗽 头痛 出现 \
主动 之前 之后 刚才 刚刚 昨晚 今早 上周 下周 上午 下午 毕业 出差 请假 迟到 离开 回来 带来 拿来 送来 牵头 负责 主讲 主持 出席 \
参与 提供 补充 确认 核对 核实 审核 批准 驳回 完成 跟进 对接 转交 代 帮 让 跟 同 即 仍 均 系 与";

/// The words of a list, by a character of each, longest first.
fn index(list: &'static str, key: fn(&str) -> Option<char>) -> Index<&'static str> {
    let mut words: Vec<&'static str> = list.split_whitespace().collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    Index::new(
        words
            .into_iter()
            .filter_map(|word| Some((key(word)?, word))),
    )
}

fn first(word: &str) -> Option<char> {
    word.chars().next()
}

fn last(word: &str) -> Option<char> {
    word.chars().next_back()
}

static CUES_BY_LAST: LazyLock<Index<&'static str>> = LazyLock::new(|| index(CUES, last));
static DOERS_BY_LAST: LazyLock<Index<&'static str>> = LazyLock::new(|| index(DOERS, last));
static TITLES_BY_FIRST: LazyLock<Index<&'static str>> = LazyLock::new(|| index(TITLES, first));
static FOLLOW_BY_FIRST: LazyLock<Index<&'static str>> = LazyLock::new(|| index(FOLLOW, first));

/// The titles, and what greets a name.
pub(super) fn titles() -> impl Iterator<Item = &'static str> {
    TITLES.split_whitespace().chain(["您好", "你好"])
}

/// What the table of characters must know of the words above.
pub(super) fn words() -> impl Iterator<Item = (char, u16)> {
    let titles = TITLES
        .split_whitespace()
        .filter_map(first)
        .map(|c| (c, han::TITLE));
    let cues = CUES
        .split_whitespace()
        .filter_map(last)
        .map(|c| (c, han::CUE_END));
    titles
        .chain(cues)
        .chain("是为叫给".chars().map(|c| (c, han::CUE_END)))
        // 张伟您好
        .chain("您你".chars().map(|c| (c, han::TITLE)))
}

/// The longest cue that ends the text.
pub(super) fn cue_at_end(text: &str) -> Option<&'static str> {
    let list = CUES_BY_LAST.of(last(text)?);
    list.iter()
        .find(|cue| text.ends_with(**cue))
        .copied()
        .or_else(|| doer_at_end(text))
}

/// The doer that ends the text: 报案人.
fn doer_at_end(text: &str) -> Option<&'static str> {
    let deed = text.strip_suffix('人')?;
    DOERS_BY_LAST
        .of(last(deed)?)
        .iter()
        .find(|doer| deed.ends_with(**doer))
        .copied()
}

static SOFT_SET: LazyLock<han::WordSet> = LazyLock::new(|| SOFT.split_whitespace().collect());
static KEY_SET: LazyLock<han::WordSet> = LazyLock::new(|| KEYS.split_whitespace().collect());

/// Whether a cue is in such common use that more must support it.
pub(super) fn soft(cue: &str) -> bool {
    SOFT_SET.contains(cue)
}

/// Whether a Latin word, in lower case, is a key that names are kept under.
pub(super) fn is_key(word: &str) -> bool {
    KEY_SET.contains(word)
}

/// The title that stands at `at`, where `c` is.
pub(super) fn title_at(view: &View<'_>, at: usize, c: char) -> Option<&'static str> {
    TITLES_BY_FIRST
        .of(c)
        .iter()
        .find(|title| view.starts(at, title))
        .copied()
}

/// Whether a word that may follow a name stands at `at`, of more than one character if `long`.
pub(super) fn follows(view: &View<'_>, at: usize, long: bool) -> bool {
    let list = FOLLOW_BY_FIRST.of(view.char(at));
    list.iter()
        .any(|word| (!long || word.len() > 3) && view.starts(at, word))
}

/// Characters that follow names, and that given names end with as well.
const BOTH: &str = "刚可明月日同成以能由";

/// How many of `n` characters the name has, if a word that may follow names begins within them.
pub(super) fn followed(view: &View<'_>, at: usize, n: usize, surname: usize, long: bool) -> usize {
    let mut i = at;
    for k in 0..n {
        let c = view.char(i);
        let next = i + c.len_utf8();
        if k > surname && follows(view, i, long) {
            // 秦轩刚的: the name goes on if what follows it comes next.
            let given = k == surname + 1 && BOTH.contains(c) && !follows(view, i, true);
            if !(given && (view.starts(next, "的") || follows(view, next, true))) {
                return k;
            }
        }
        i = next;
    }
    n
}
