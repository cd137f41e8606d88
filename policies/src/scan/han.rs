//! Chinese characters that may begin something: surnames, places, plates, numerals. Data and one table over it.
//!
//! Knows characters, no grammar. Invariant: the table is a pure function of the lists below.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::LazyLock;

/// May begin a surname.
pub(crate) const SURNAME: u16 = 1;
/// Is a numeral.
pub(crate) const NUMERAL: u16 = 2;
/// May begin the name of a province or a city.
pub(crate) const PLACE: u16 = 4;
/// Is a province's short name, as on plates.
pub(crate) const PLATE: u16 = 8;
/// Begins a document's form: 军字第….
pub(crate) const FORM: u16 = 16;
/// An address may begin after it.
pub(crate) const OPENS: u16 = 32;
/// Begins a title: 先生; or is 的.
pub(crate) const TITLE: u16 = 64;
/// Ends a word that a name follows: 姓名.
pub(crate) const CUE_END: u16 = 128;
/// Begins a word that ends a level of an address: 区, 路.
pub(crate) const LEVEL: u16 = 256;
/// Stands in no address.
pub(crate) const BREAK: u16 = 512;
/// Leads to an address and is no part of it.
pub(crate) const LEAD: u16 = 1024;
/// Begins a compound surname.
pub(crate) const COMPOUNDS: u16 = 2048;

/// Is the second character of a province or a city.
pub(crate) const PLACE_SECOND: u16 = 4096;
/// Is a word by itself that ends a level of an address: 省, 路.
pub(crate) const LEVEL_ALONE: u16 = 8192;
/// Begins a longer such word: 大道.
pub(crate) const LEVEL_FIRST: u16 = 16384;
/// Is the second character of one.
pub(crate) const LEVEL_SECOND: u16 = 32768;

/// Surnames of one character, the common ones first; as they are written in Hong Kong and Taiwan, where that differs, last.
pub(crate) const SINGLE: &str = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾萧田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤常温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳欧阳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝官封谈匡鞠惠荆乐冀郁胥南班储原栗燕楚鄢劳谌奚皮粟冼蔺楼盘满闻位厉伊仝区郜海阚花权强帅屠豆朴盖练廉禹井祖漆巴丰支卿国狄平计索宣晋相初门云容敬来扈晁芮都普阙浦戈伏鹿薄邸雍辜羊阿乌母裘亓修邰赫杭况那宿鲜印逯隆茹诺战慕危玉银亢嵇公哈湛宾戎勾茅利於呼居揭干但尉冶斯元束檀衣信展阴昝智幸奉植衡富尧闭由肖傅阎赖洪诸代贝凤贲钮滑羿汲糜牧宓郗韶蓟鄂籍莘逄堵宰郦郤璩濮郏庾暨弘殳沃蔚夔厍訾巢蒯竺桓苍荀习邴酆仉钭揭佴缑哈張劉陳楊黃趙吳孫馬羅鄭謝韓馮鄧蕭蔣葉蘇呂盧鍾鐘譚陸賈韋鄒龍賀顧龔錢嚴萬湯莊聶齊喬龐顏歐關蘭畢單駱紀閻許簡藍賴塗連雲閔鮑饒闞區鄔鄺繆車項麥婁竇衛盤滿聞練貝鳳諸陰儲溫";

/// Surnames of two characters.
pub(crate) const COMPOUND: &[&str] = &[
    "欧阳", "上官", "司马", "诸葛", "皇甫", "尉迟", "慕容", "夏侯", "令狐", "公孙", "东方", "南宫",
    "端木", "司徒", "司空", "西门", "独孤", "长孙", "宇文", "轩辕", "百里", "东郭", "公冶", "公羊",
    "公西", "濮阳", "淳于", "单于", "太史", "申屠", "仲孙", "钟离", "鲜于", "闾丘", "亓官", "澹台",
    "宗政", "赫连", "呼延", "万俟", "闻人", "拓跋", "漆雕", "乐正", "壤驷", "公良", "左丘", "东门",
    "南门", "第五", "梁丘", "巫马", "段干", "谷梁", "子车", "颛孙",
];

/// Characters after which another makes a compound surname, and begins one: checked by [`compound`].
pub(crate) fn compound(text: &str) -> bool {
    let first = text.chars().next().unwrap_or('\0');
    COMPOUND_BY_FIRST
        .of(first)
        .iter()
        .any(|name| text.starts_with(name))
}

static COMPOUND_BY_FIRST: LazyLock<Index<&'static str>> = LazyLock::new(|| {
    Index::new(
        COMPOUND
            .iter()
            .filter_map(|name| Some((name.chars().next()?, *name))),
    )
});

/// Words of a surname's character and others that are no names.
const NOT_NAMES: &str = "代理 代表 代码 代价 代办 代销 代替 代收 代付 代理人 代表人 代理商 代购 代驾 洪水 洪灾 凤凰 贝壳 贝类 滑动 滑雪 滑坡 牧场 牧师 牧区 牧民 巢湖 蔚蓝 沃土 诸多 诸位 诸如 籍贯 鄂州 赖以 习惯 习题 习俗 弘扬 宰杀 堵塞 堵车 劳动者 劳动 劳务派遣 全体 全员 高喊 高呼 牧业 荀子 凤爪 高温 黄河 白天 周期 方向 任意 金融 石头 毛巾 于此 常规 时段 万能 安装 严重 田径 高级 高度 高速 高效 高中 高考 高铁 高峰 高清 高兴 高手 高端 高危 \
高新 高校 高层 高价 高管 高频 高血压 安全 安排 安静 安卓 安慰 安检 安心 方法 方便 方面 方式 方案 方程 方形 时间 时候 时代 时刻 时长 时尚 时期 时区 时常 常见 常用 常识 常委 常量 \
常驻 常务 万一 万元 万事 万物 万分 万众 金额 金属 金牌 金色 金钱 石油 石材 石化 毛病 毛利 毛重 毛笔 黄金 黄色 黄昏 黄瓜 黄牛 白色 白菜 白领 白银 白云 白酒 周一 周二 周三 周四 \
周五 周六 周日 周末 周围 周年 周边 周转 周报 周刊 周到 任务 任何 任命 任职 任教 任期 任性 任免 马上 马路 马达 马克 马力 马虎 牛奶 牛肉 羊肉 江湖 江水 江边 江南 河流 林业 \
林木 林地 森林 田野 田地 田园 水平 水利 严格 严谨 严肃 严禁 严厉 关于 关系 关闭 关键 关注 关心 关联 关掉 关机 关门 国家 国际 国内 国外 国庆 国务 国产 国籍 国防 平台 平均 \
平时 平安 平等 平板 平面 平衡 平米 平方 和平 和谐 和解 全部 全国 全球 全面 全体 全程 全额 全新 全天 全家 全职 全文 成功 成本 成为 成果 成立 成员 成绩 成长 成交 成品 成年 应该 \
应用 应当 应急 应收 应付 应对 应届 应答 应聘 应税 向上 向下 向前 向后 向导 向量 于是 来自 来源 来到 来电 来往 来访 来信 都是 都有 都市 都会 都在 都要 都能 都没 但是 但愿 路由 路线 \
路径 路口 路过 路面 路况 路演 路灯 路段 程序 程度 程式 文件 文字 文化 文章 文本 文档 文明 文学 文艺 文献 文员 文案 文具 文书 章节 章程 华为 华人 华丽 华东 华南 华北 华中 \
通知 公司 公开 公共 公告 公式 公平 公布 公里 公园 公民 公安 公斤 公寓 公众 公务 公路 公交 公元 公章 公证 公示 公网 包括 包含 包装 包裹 包子 包邮 包干 房屋 房间 房价 房产 房租 \
房东 房源 房贷 房号 房型 查询 查看 查找 查收 查验 查阅 查明 查证 查处 申请 申报 申诉 申办 申领 申购 计算 计划 计费 计时 计数 计量 计入 简单 简介 简历 简称 简化 简要 简洁 简易 解决 \
解释 解除 解析 解答 解读 解锁 解码 解放 解压 管理 管道 管辖 管控 管家 管线 管制 项目 项链 连接 连续 连锁 连夜 连带 单位 单独 单价 单元 单号 单击 单据 单身 单一 单人 单次 单日 单笔 \
封面 封闭 封装 封存 商品 商业 商家 商店 商务 商场 商量 商标 商户 商城 商铺 商用 师傅 师生 师资 谈话 谈判 谈到 谈论 强调 强大 强烈 强度 强化 强制 权利 权限 权益 权力 权威 花费 花园 花朵 \
花生 花钱 花卉 海洋 海外 海关 海报 海边 海鲜 海运 海拔 海量 明天 明年 明确 明白 明显 明星 明细 明文 明日 明晚 明早 相关 相同 相信 相对 相机 相应 相比 相当 相片 相互 相识 相处 居民 居住 \
居家 居委 居然 信息 信用 信任 信号 信心 信箱 信封 信贷 信件 信托 信仰 元素 元旦 元件 元气 由于 由此 干净 干部 干扰 干燥 干货 幸福 幸运 富裕 富有 古代 古典 古老 古董 古城 南方 南京 南北 \
南部 北京 东西 门口 门诊 门户 门票 门店 门牌 门禁 门卫 云南 云计算 云端 云服务 容易 容量 容器 容纳 敬请 敬礼 敬上 敬启 展示 展开 展览 展现 展会 阴天 阴性 阳性 阳光 阳台 利用 利率 利润 利息 \
利益 利好 巴士 巴黎 丰富 丰收 支持 支付 支出 支付宝 支行 支票 支部 索引 索取 索赔 宣传 宣布 初步 初始 初级 初中 初期 初一 初审 初诊 普通 普及 普遍 普查 伏特 薄弱 修改 修复 修理 修订 修正 况且 \
那么 那个 那些 那里 那边 那时 那位 那天 印象 印刷 印章 印度 战略 战争 战斗 危险 危机 危害 玉米 银行 银联 银色 银卡 母亲 母校 母公司 乌鲁木齐 阿里 阿里云 阿姨 阿拉伯 温度 温馨 温暖 \
温和 温州 康复 施工 施行 牛仔 安徽 安排 齐全 易用 易于 易懂 庄严 章鱼 左右 左边 左侧 左键 甘肃 包头 宁波 宁夏 尚未 尚可 符合 符号 舒适 舒服 纪律 纪念 纪录 季度 季节 盛大 曲线 曲目 路人 \
游戏 游客 游泳 游览 辛苦 蓝色 蓝牙 蒙古 华润 房地产 艾滋 时事 古筝 吉林 吉祥 简体 车辆 车站 车间 车主 车型 车票 车牌 车位 车库 车险 车号 车次 车架 连云港 麦克 景区 景点 景色 党员 党委 党支部 党建 宫殿 \
费用 费率 费劲 冷静 冷藏 冷却 席位 卫生 卫星 卫健委 米饭 米粉 米色 全责 宗旨 宗教 师范 荣誉 荣幸 桑拿 丛书 池塘 查房 麻烦 麻醉 官方 官网 官员 谈谈 惠州 乐观 乐器 郁闷 南昌 班级 班主任 班车 班次 班长 \
储蓄 储存 储备 原因 原来 原则 原料 原始 原价 原件 原文 原告 原油 燕麦 劳动 劳务 皮肤 皮带 盘点 满意 满足 满分 满额 位置 位于 位数 海淀 豆腐 盖章 练习 廉价 廉洁 漆器 门诊部 公积金 安保 文员 常州 金华 \
周口 石家庄 黄山 黄石 江苏 江西 江门 毛泽东思想 时空 严峻 雷达 雷电 雷雨 龙头 史料 史上 万州 钱包 钱款 武器 武汉 武术 莫名 孔子 汤圆 温习 文旅 段落 段子 金山 石英 夏天 夏季 夏令营 付款 付费 付出 付清 方言 \
孟子 秦岭 江河 尹 段位 侯车 陶瓷 贺卡 贺信 顾客 顾问 顾虑 毛发 严控 万科 沙发 沙漠 沙龙 商贸 边缘 边境 边界 边框 师兄 仇恨 仇视 荣耀 关怀 关节 关税 兰花 兰州 左转 柳树 柳州 祝福 祝贺 祝愿 祝你 祝您 祝大家 \
包头市 梅花 童年 童话 童装 凌晨 毕业 毕竟 季军 霍乱 涂料 成都 成人 成分 成败 成套 成效 苗头 谷歌 谷物 盛行 蓝图 蓝本 蓝天 路费 路程 管用 柴油 柴米 蒙面 鲍鱼 喻 房型图 解约 解密 牟利 艾灸 尤其 阳历 穆斯林 农业 农村 \
农民 农历 农产品 农药 司机 司法 司令 卓越 古风 简直 车费 车速 车道 车友 项 连忙 麦片 党课 费力 冷水 冷门 席卷 卫视 米线 柏油 桂花 桂林 全年 全市 全省 全身 全力 全勤 应激 臧 师母 和尚 和善 隋朝 商朝 商讨 商议 商机 \
沙拉 沙子 沙滩 沙盘 荣获 寇 桑叶 郎 丛林 仲裁 仲裁委 虞 巩固 明亮 明明 明珠 池子 查重 麻将 官司 封顶 封控 封号 匡算 鞠躬 乐园 乐队 南宁 南通 南海 班组 储户 储量 原创 原理 原子 原版 原本 原生 原型 原谅 楚国 劳资 \
盘子 盘中 满减 满月 满载 闻名 位移 海口 海南 花样 权重 权衡 强行 强势 强迫 豆浆 朴素 盖子 练手 廉政 井盖 井然 祖国 祖先 巴西 丰田 支撑 支架 国企 国宝 国旗 国道 国债 国务院 计较 计提 索尼 宣讲 宣誓 晋升 晋级 相亲 初衷 初恋 初稿 门面 门槛 \
云朵 云盘 云雾 容忍 容许 敬业 敬爱 来年 来回 来宾 来历 都城 普洱 普查员 浦东 浦发 鹿茸 薄膜 羊毛 乌龟 母婴 母语 修养 修建 杭州 那样 鲜花 鲜明 印发 隆重 战士 战友 玉石 银杏 公文 公益 公关 公认 公约 公债 公允 公子 哈尔滨 宾馆 宾客 利于 呼吸 呼叫 干活 干预 干旱 元月 元宵 \
束缚 衣服 衣柜 信誉 信奉 展望 阴影 智能 智慧 智力 幸亏 奉献 植物 衡量 富豪 经理 客户 用户 张家口 张家界 胡同 胡说 胡乱 何时 何处 何种 何况 罗列 罗马 许多 许可 许久 曾经 田间 唐朝 唐代 程控 杜绝 叶子 叶片 余额 余下 余款 余数 于今 于心 丁香 丁字 姜茶 钟表 钟头 \
陆地 陆续 陆军 汪洋 范围 范例 范本 范畴 金币 金库 石膏 贾宝玉 夏日 夏威夷 方位 方圆 方差 白痴 白板 白名单 白皮书 熊猫 秦皇岛 江山 雷同 龙虾 龙门 龙卷风 史诗 陶冶 贺岁 毛衣 万里 万达 严明 武力 武装 戴上 莫非 莫要 康健 文稿 文凭 安置 安防 安抚 齐备 乔迁 欧盟 欧洲 欧元 欧美 关口 耿直 焦虑 焦点 焦急 单车 裴 时下 时限 时效 时差 时机 联系 项圈 田螺 解聘 解雇 解绑 王者 王国 王牌 王朝 张力 张贴 张望 陈述 陈列 陈旧 杨树 吴国 周知 徐州 徐徐 孙子 孙女 朱砂 胡子 胡萝卜 郭 何必 林立 罗盘 梁 谢谢 谢绝 谢意 宋代 宋朝 许愿 韩国 韩语 冯 彭 曾任 肖像 董事 董事会 董事长 潘 袁 蒋 蔡 苏州 苏打 魏 吕 沈阳 姚 卢 崔 谭 陆运 廖 程 单子 单品 单曲 师范生 项目部 安装包 全款 法院 明信片 居多 相聚 国资委 权属 海军 空军 陆军 位列 车管所 支原体 路由器 公务员 文本框 管理员 程序员 高管们 成员们 安检员 应用程序";

/// Provinces and cities with their suffix left out, that an address may begin with.
pub(crate) const PLACES: &str = "北京 上海 天津 重庆 河北 山西 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 海南 四川 贵州 云南 陕西 甘肃 青海 台湾 内蒙古 广西 西藏 宁夏 新疆 香港 澳门 \
广州 深圳 杭州 南京 苏州 成都 武汉 西安 长沙 郑州 青岛 济南 大连 沈阳 厦门 福州 宁波 无锡 常州 合肥 佛山 东莞 昆明 南昌 南宁 贵阳 太原 石家庄 哈尔滨 长春 兰州 西宁 银川 海口 乌鲁木齐 拉萨 呼和浩特 珠海 中山 \
惠州 温州 嘉兴 绍兴 金华 台州 徐州 南通 扬州 镇江 泰州 盐城 淮安 连云港 宿迁 泉州 漳州 莆田 三明 龙岩 宁德 南平 烟台 潍坊 淄博 临沂 威海 济宁 泰安 德州 聊城 滨州 菏泽 日照 枣庄 东营 洛阳 开封 南阳 新乡 安阳 \
许昌 平顶山 信阳 周口 商丘 驻马店 焦作 漯河 濮阳 鹤壁 三门峡 宜昌 襄阳 荆州 黄冈 孝感 十堰 荆门 黄石 咸宁 鄂州 随州 恩施 株洲 湘潭 衡阳 岳阳 常德 邵阳 益阳 郴州 永州 怀化 娄底 张家界 湘西 汕头 江门 湛江 茂名 \
肇庆 梅州 清远 揭阳 韶关 河源 潮州 阳江 汕尾 云浮 柳州 桂林 北海 玉林 钦州 梧州 绵阳 德阳 宜宾 南充 泸州 乐山 达州 自贡 内江 遂宁 眉山 广安 攀枝花 广元 雅安 巴中 资阳 遵义 六盘水 安顺 毕节 铜仁 曲靖 玉溪 大理 \
丽江 保山 昭通 红河 咸阳 宝鸡 渭南 汉中 延安 榆林 安康 商洛 铜川 唐山 保定 邯郸 秦皇岛 沧州 廊坊 邢台 张家口 承德 衡水 大同 临汾 运城 长治 晋中 吕梁 忻州 阳泉 晋城 朔州 包头 赤峰 鄂尔多斯 通辽 鞍山 抚顺 锦州 \
营口 丹东 盘锦 本溪 辽阳 铁岭 朝阳 葫芦岛 阜新 吉林 四平 通化 松原 延边 白城 大庆 齐齐哈尔 牡丹江 佳木斯 绥化 鸡西 芜湖 蚌埠 马鞍山 安庆 阜阳 滁州 宿州 六安 亳州 淮南 淮北 黄山 铜陵 宣城 池州 赣州 九江 上饶 宜春 \
吉安 抚州 景德镇 萍乡 新余 鹰潭 湖州 衢州 舟山 丽水 三亚 儋州 天水 酒泉 张掖 武威 庆阳 喀什 伊犁 昌吉 克拉玛依 义乌 昆山 江阴 张家港 常熟 太仓 余姚 慈溪 晋江 浦东 海淀 \
臺灣 臺北 臺中 臺南 台北 台中 台南 高雄 新北 桃園 新竹 廣東 廣州";

/// What plates begin with.
pub(crate) const PROVINCES: &str = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼";

const NUMERALS: &str = "〇零一二三四五六七八九壹贰叁肆伍陆柒捌玖洞幺两拐勾貳參陸";
const FORMS: &str = "军士文政后装海空南北沈兰成济广武参联火警";
const OPENERS: &str = "在到住于往至址是为送寄货籍发回达从落";

/// The CJK block, sixteen bits each.
const FIRST: u32 = 0x4e00;
const COUNT: usize = 0x5200;

/// The bits of every character of the CJK block.
#[derive(Debug)]
pub(crate) struct Table(Box<[u16]>);

impl Table {
    /// What the character may begin.
    #[inline]
    pub(crate) fn of(&self, code: u32) -> u16 {
        self.0
            .get(code.wrapping_sub(FIRST) as usize)
            .copied()
            .unwrap_or(0)
    }
}

pub(crate) static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = vec![0u16; COUNT].into_boxed_slice();
    let mut mark = |c: char, bit: u16| {
        if let Some(slot) = table.get_mut(u32::from(c).wrapping_sub(FIRST) as usize) {
            *slot |= bit;
        }
    };
    SINGLE.chars().for_each(|c| mark(c, SURNAME));
    COMPOUND
        .iter()
        .filter_map(|name| name.chars().next())
        .for_each(|c| mark(c, SURNAME | COMPOUNDS));
    super::find::words().for_each(|(c, bit)| mark(c, bit));
    // Behind a name and 的 stands what its owner has.
    mark('的', TITLE);
    NUMERALS.chars().for_each(|c| mark(c, NUMERAL));
    PROVINCES.chars().for_each(|c| mark(c, PLATE));
    "使".chars().for_each(|c| mark(c, PLATE));
    FORMS.chars().for_each(|c| mark(c, FORM));
    OPENERS.chars().for_each(|c| mark(c, OPENS));
    PLACES
        .split_whitespace()
        .filter_map(|name| name.chars().next())
        .for_each(|c| mark(c, PLACE));
    PLACES
        .split_whitespace()
        .filter_map(|name| name.chars().nth(1))
        .for_each(|c| mark(c, PLACE_SECOND));
    Table(table)
});

/// Pairs of characters that words begin with, by a hash: a few others are taken for such.
#[derive(Debug)]
pub(crate) struct Pairs([u64; PAIR_BITS / 64]);

/// Thirty for each of the pairs that there are at most.
const PAIR_BITS: usize = 1 << 14;

impl Pairs {
    fn new<'w>(words: impl Iterator<Item = &'w str>) -> Self {
        let mut pairs = Self([0; PAIR_BITS / 64]);
        for word in words {
            let mut chars = word.chars().map(u32::from);
            if let (Some(first), Some(second)) = (chars.next(), chars.next()) {
                let bit = Self::bit(first, second);
                if let Some(bits) = pairs.0.get_mut(bit / 64) {
                    *bits |= 1 << (bit % 64);
                }
            }
        }
        pairs
    }

    fn bit(first: u32, second: u32) -> usize {
        let hash = (first << 16 | second).wrapping_mul(0x9E37_79B1);
        (hash >> (u32::BITS - PAIR_BITS.ilog2())) as usize
    }

    /// Whether a word may begin with these two.
    #[inline]
    pub(crate) fn has(&self, first: u32, second: u32) -> bool {
        let bit = Self::bit(first, second);
        self.0
            .get(bit / 64)
            .is_some_and(|bits| bits >> (bit % 64) & 1 == 1)
    }
}

/// How provinces and cities begin.
pub(crate) static PLACE_PAIRS: LazyLock<Pairs> =
    LazyLock::new(|| Pairs::new(PLACES.split_whitespace()));
/// How titles of two characters and more begin, and greetings.
pub(crate) static TITLE_PAIRS: LazyLock<Pairs> =
    LazyLock::new(|| Pairs::new(super::find::titles()));

/// Words by one of their characters, found without hashing.
#[derive(Debug)]
pub(crate) struct Index<T> {
    /// For each character of the block: which list, 0 for none.
    ids: Box<[u8]>,
    lists: Vec<Vec<T>>,
}

impl<T> Index<T> {
    /// Of at most 255 different characters; the order of words is kept.
    pub(crate) fn new(words: impl Iterator<Item = (char, T)>) -> Self {
        let mut index = Self {
            ids: vec![0; COUNT].into_boxed_slice(),
            lists: vec![Vec::new()],
        };
        for (c, word) in words {
            let Some(id) = index.ids.get_mut(u32::from(c).wrapping_sub(FIRST) as usize) else {
                continue;
            };
            if *id == 0 {
                let Ok(new) = u8::try_from(index.lists.len()) else {
                    continue;
                };
                *id = new;
                index.lists.push(Vec::new());
            }
            if let Some(list) = index.lists.get_mut(usize::from(*id)) {
                list.push(word);
            }
        }
        index
    }

    /// The words of a character.
    #[inline]
    pub(crate) fn of(&self, c: char) -> &[T] {
        let id = self
            .ids
            .get(u32::from(c).wrapping_sub(FIRST) as usize)
            .copied()
            .unwrap_or(0);
        self.lists.get(usize::from(id)).map_or(&[], Vec::as_slice)
    }
}

/// Whether the character has one of the bits.
#[inline]
pub(crate) fn has(c: char, bits: u16) -> bool {
    TABLE.of(u32::from(c)) & bits != 0
}

/// Whether the character is a surname by itself.
pub(crate) fn is_surname(c: char) -> bool {
    let bits = TABLE.of(u32::from(c));
    bits & SURNAME != 0 && (bits & COMPOUNDS == 0 || !HALVES.contains(&c))
}

/// The first characters of compound surnames that are none by themselves: 端木.
static HALVES: LazyLock<Vec<char>> = LazyLock::new(|| {
    let firsts = COMPOUND.iter().filter_map(|name| name.chars().next());
    firsts.filter(|&c| !SINGLE.contains(c)).collect()
});

/// Words of ours, by a hash that is made quickly: no stranger chooses what is in there.
pub(crate) type WordSet = HashSet<&'static str, BuildHasherDefault<WordHasher>>;

/// Hashes short words, eight bytes at a time.
#[derive(Default)]
pub(crate) struct WordHasher(u64);

impl Hasher for WordHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (chunks, rest) = bytes.as_chunks();
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        for chunk in chunks.iter().chain([&last]) {
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(*chunk))
                .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
    }

    fn write_u8(&mut self, _: u8) {
        // Behind every word: the same for all.
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

static WORDS: LazyLock<WordSet> = LazyLock::new(|| {
    NOT_NAMES
        .split_whitespace()
        .chain(PLACES.split_whitespace())
        .collect()
});

/// Whether a would-be name is an ordinary word or a place.
pub(crate) fn is_word(name: &str) -> bool {
    WORDS.contains(name)
}

/// Words that names of three characters begin with all the same: 王国强.
const BOTH: &[&str] = &[
    "王国", "许可", "韩国", "黄金", "金山", "江山", "高峰", "石英", "夏天", "方圆", "万里", "安康",
    "高明", "田园", "林立", "曾经", "向前", "明亮", "康健", "金华", "成立", "高新", "高清", "方正",
    "严明", "文明", "江南", "江河", "海洋", "海东", "金龙", "祝福",
];

/// Whether a would-be name is an ordinary word or a place, or begins with a word of two characters that is.
pub(crate) fn ordinary(name: &str) -> bool {
    let two = name.char_indices().nth(2).map_or(name.len(), |(i, _)| i);
    let head = name.get(..two).unwrap_or(name);
    WORDS.contains(name) || WORDS.contains(head) && !(two < name.len() && BOTH.contains(&head))
}

static BY_FIRST: LazyLock<Index<&'static str>> = LazyLock::new(|| {
    let mut names: Vec<&'static str> = PLACES.split_whitespace().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    Index::new(
        names
            .into_iter()
            .filter_map(|name| Some((name.chars().next()?, name))),
    )
});

/// The places that begin with a character, longest first.
pub(crate) fn places(first: char) -> &'static [&'static str] {
    BY_FIRST.of(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_hold_the_lists() {
        assert!(is_surname('王') && is_surname('欧') && !is_surname('的'));
        assert!(ordinary("高温") && ordinary("北京") && !ordinary("王伟"));
        assert_eq!(TABLE.of(u32::from('京')) & PLATE, PLATE);
        assert_eq!(places('内').first(), Some(&"内蒙古"));
    }
}
