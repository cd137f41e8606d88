//! Simplified characters and their traditional forms, as far as our word lists need them.
//!
//! One form each: where a character has several, the one that these words use. Knows no words.

const PAIRS: &str = "无無视視记記绕繞过過开開关關闭閉绝絕遵遵从從规規则則设設约約伦倫审審词詞统統说說话話请請让讓们們给給为為会會这這个個来來时時后後发發业業样樣权權档檔输輸显顯示示诉訴译譯复複扩擴写寫贴貼码碼转轉传傳邮郵件件现現扮扮装裝拟擬员員实實验驗护護栏欄访訪问問历歷对對应應与與于於内內处處认認证證级級别別种種类類极極乐樂强強东東车車马馬鱼魚鸟鳥龙龍学學习習导導师師长長门門间間闻聞阅閱读讀书書见見观觀觉覺语語谁誰论論许許该該详詳误誤课課调調谈談谢謝识識试試诚誠询詢诗詩议議训訓讯訊设設评評诊診谋謀谎謊谓謂谨謹负負责責败敗货貨质質贩販购購贮貯贵貴费費资資赋賦赌賭赛賽赞贊赢贏趋趨跃躍践踐辑輯辩辯边邊达達迁遷运運还還进進远遠违違连連迟遲适適选選递遞逻邏遗遺钥鑰钓釣钢鋼钱錢铁鐵银銀锁鎖错錯键鍵镜鏡闪閃闯闖阀閥队隊阳陽阴陰阵陣阶階际際陆陸险險随隨隐隱难難雾霧静靜项項顺順须須预預领領频頻题題颜顏额額风風飞飛驱驅驳駁骂罵骗騙骤驟检檢测測没沒灭滅灵靈点點热熱爱愛状狀独獨猎獵环環电電画畫疗療盘盤盗盜码碼础礎确確离離稳穩穷窮笔筆签簽简簡紧緊红紅纪紀纯純纸紙线線组組织織终終经經结結绍紹续續维維编編缩縮网網罚罰罗羅联聯肃肅胁脅胜勝脑腦节節药藥获獲营營虚虛虫蟲补補袭襲触觸订訂计計讨討万萬与與专專丢丟两兩严嚴丧喪举舉义義么麼乱亂争爭产產亲親仅僅价價众眾优優伙夥伟偉体體余餘侦偵偿償储儲党黨养養兴興冲衝决決况況冻凍净淨准準减減凭憑击擊创創删刪剂劑剧劇办辦务務动動劳勞势勢医醫华華单單卖賣卫衛厂廠历歷压壓厌厭变變叠疊号號听聽启啟呕嘔响響唤喚图圖圆圓场場坏壞块塊坚堅报報声聲备備头頭夹夾奋奮奖獎妇婦孙孫宁寧宝寶宪憲宽寬审審宾賓寻尋将將尔爾尝嘗尽盡层層属屬岁歲币幣师師带帶帮幫干幹并並广廣庆慶库庫废廢异異弃棄张張弹彈归歸录錄彻徹忆憶忧憂怀懷态態总總恶惡惊驚惩懲惯慣戏戲战戰户戶执執扫掃扰擾抛拋护護报報拥擁择擇挂掛损損据據掷擲摆擺数數断斷无無旧舊显顯晓曉暂暫术術机機杀殺杂雜权權条條来來构構枪槍标標树樹样樣档檔桥橋检檢楼樓欢歡欧歐毁毀毕畢气氣汉漢汇匯沟溝泄洩洁潔浏瀏测測济濟浓濃涂塗涨漲渊淵渐漸温溫湾灣满滿滚滾";

/// The text with every character that has a traditional form replaced by it.
pub(super) fn traditional(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    text.chars().map(old).collect()
}

fn old(c: char) -> char {
    let mut pairs = PAIRS.chars();
    while let (Some(simple), Some(old)) = (pairs.next(), pairs.next()) {
        if simple == c {
            return old;
        }
    }
    c
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_the_other_script() {
        for (simple, old) in [
            ("无视系统规则", "無視系統規則"),
            ("开发者模式", "開發者模式"),
            ("输出提示词", "輸出提示詞"),
            ("abc", "abc"),
        ] {
            assert_eq!(traditional(simple), old);
        }
        assert_eq!(PAIRS.chars().count() % 2, 0);
    }
}
