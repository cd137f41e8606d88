//! The commonest words of injections in other languages: French, Spanish, German, Italian, Portuguese, Russian, Japanese,
//! Korean. People mix them in.

use super::class::Class::{self, *};

pub(super) static FOREIGN: &[(Class, &str)] = &[
    (
        Override,
        "ignorez~ignorer~oubliez~oublie toutes~ne tenez pas compte~ignora~ignore todas~ignoren~olvida~olvide~\
         olvidad~haz caso omiso~ignoriere~ignorieren sie~vergiss~vergessen sie~missachte~ignora tutte~\
         dimentica~esqueça~esquece~desconsidere~игнорируй~игнорируйте~забудь~\
         забудьте~無視して~無視しろ~無視せよ~忘れて~忘れろ~무시하고~무시해~무시하세요~잊어~bỏ qua",
    ),
    (
        Previous,
        "précédentes~précédents~précédente~antérieures~anteriores~previas~previos~de arriba~\
         vorherigen~vorigen~bisherigen~obigen~precedenti~предыдущие~предыдущих~прошлые~\
         これまでの~以前の~今までの~上記の~이전~위의~trước đó",
    ),
    (
        All,
        "toutes les~tous les~todas las~todos los~todas as~alle~sämtliche~tutte le~все ~すべての~全ての~\
         모든",
    ),
    (
        Order,
        "consignes~directives~instrucciones~indicaciones~órdenes~anweisungen~instruktionen~vorgaben~\
         istruzioni~instruções~инструкции~указания~指示~命令を~プロンプト~지시~명령~지침",
    ),
    (
        Rule,
        "règles~reglas~regeln~regole~regras~правила~ルール~規則~규칙",
    ),
    (
        Prompt,
        "invite système~prompt système~instructions système~prompt del sistema~instrucciones del sistema~\
         systemprompt~system anweisungen~systemanweisungen~systemaufforderung~prompt di sistema~\
         prompt do sistema~системный промпт~системную инструкцию~システムプロンプト~\
         システム指示~시스템 프롬프트",
    ),
    (
        Show,
        "affiche~affichez~montre~montrez~révèle~révélez~muestra~muéstrame~revela~imprime~zeige~zeig mir~\
         gib mir~gib den~gib deinen~nenne~mostra~rivela~mostre~revele~покажи~выведи~раскрой~\
         出力して~表示して~教えて~見せて~출력~보여",
    ),
    (
        Your,
        "votre~vos~ton~tes~tus~tu~deine~deinen~ihre~tuo~tue~seu~suas~твои~твой~あなたの~당신의",
    ),
];
