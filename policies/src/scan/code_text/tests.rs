//! What is source code and what is not.

use super::*;

const PYTHON: &str = "class RiskEngine:\n    \"\"\"内部风控引擎\"\"\"\n\n    def __init__(self, threshold):\n        self.threshold = threshold\n\n    def score(self, order):\n        # 计算分数\n        base = order.amount * 0.3\n        if order.user.is_new:\n            base += 20\n        return base\n";
const JAVA: &str = "package com.acme.pay;\n\nimport java.util.List;\n\npublic class PayService {\n    private final PayDao dao;\n\n    public boolean pay(Order order) {\n        if (order == null) {\n            return false;\n        }\n        return dao.save(order);\n    }\n}\n";
const GO: &str = "func Sum(xs []int) int {\n\ttotal := 0\n\tfor _, x := range xs {\n\t\ttotal += x\n\t}\n\treturn total\n}\n";
const RUST: &str = "fn main() {\n    let xs = vec![1, 2, 3];\n    for x in &xs {\n        println!(\"{x}\");\n    }\n}\n";
const JS: &str = "export default function useCart(items) {\n  const [cart, setCart] = useState([]);\n  useEffect(() => {\n    setCart(items.filter(i => i.ok));\n  }, [items]);\n  return cart;\n}\n";
const C: &str = "#include <stdio.h>\n\nint main(void) {\n    int a = 1;\n    printf(\"%d\", a);\n    return 0;\n}\n";
const SQL: &str = "CREATE PROCEDURE settle(IN day DATE)\nBEGIN\n  DECLARE total DECIMAL(18,2);\n  SELECT SUM(amount) INTO total FROM orders WHERE d = day;\n  UPDATE ledger SET balance = balance + total;\nEND;\n";
const SHELL: &str = "#!/bin/bash\nset -e\nfor f in *.log; do\n  gzip \"$f\"\ndone\nif [ -d /tmp/x ]; then\n  rm -rf /tmp/x\nfi\n";
const VERILOG: &str = "module counter(input clk, input rst, output reg [7:0] q);\n  always @(posedge clk) begin\n    if (rst)\n      q <= 0;\n    else\n      q <= q + 1;\n  end\nendmodule\n";
const VUE: &str = "<template>\n  <div class=\"a\">{{ msg }}</div>\n</template>\n<script setup>\nimport { ref } from 'vue'\nconst msg = ref('hi')\nfunction go() {\n  msg.value = 'x'\n}\n</script>\n";
const TERRAFORM: &str = "resource \"aws_instance\" \"web\" {\n  ami           = \"ami-1\"\n  instance_type = \"t3.micro\"\n  tags = {\n    Name = \"web\"\n  }\n}\n";
const MINIFIED: &str = "function a(b){var c=b.length;for(var d=0;d<c;d++){if(b[d]>10){return b[d];}else{console.log(b[d]);}}return null;}function e(f){return a(f)+1;}var g=e([1,2,3]);console.log(g);";

#[test]
fn whole_programs_count() {
    for code in [
        PYTHON, JAVA, GO, RUST, JS, C, SQL, SHELL, VERILOG, VUE, TERRAFORM, MINIFIED,
    ] {
        assert_eq!(find(code).len(), 1, "{code}");
        let asked = format!("帮我优化一下这段代码：\n```\n{code}\n```\n谢谢，最好解释一下思路。");
        let found = find(&asked);
        assert_eq!(found.len(), 1, "{asked}");
        assert!(!asked[found[0].clone()].contains("谢谢"));
    }
}

#[test]
fn snippets_and_data_do_not() {
    for text in [
        "How do I reverse a list? `xs[::-1]` or `list(reversed(xs))`?",
        "这行报错：for (int i = 0; i < n; i++) { sum += a[i]; } 为什么？",
        "git add .\ngit commit -m \"fix\"\ngit push origin main\ngit log\ngit status\n",
        "{\n  \"name\": \"a\",\n  \"list\": [1, 2],\n  \"o\": {\n    \"k\": (1)\n  },\n  \"x\": \"a=b;c=d;\"\n}\n",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\nspec:\n  containers:\n    - name: a\n      image: b:1\n",
        "2026-01-01 10:00:00 ERROR [main] (a.b) x=1; y=2\n2026-01-01 10:00:01 INFO start (x) {y}\n2026-01-01 10:00:02 INFO done (x) {y}\n",
        "Exception in thread \"main\" java.lang.NullPointerException\n\tat com.a.B.c(B.java:10)\n\tat com.a.D.e(D.java:20)\n\tat com.a.F.main(F.java:5)\n\tat com.a.F.main(F.java:5)\n",
        "y = a*x + b\nz = (x + y) / 2\nE = m*c^2\nf(x) = x^2\ng(x) = f(x) + 1\nh = (1)\nk = (2)\n",
        "id,name,age\n1,(a),3\n2,(b),4\n3,(c),5\n4,(d),6\n5,(e),6\n6,(f),7\n",
        "# 标题\n\n- 第一点（重要）：x = 1\n- 第二点；\n\n请帮我写一份周报 (本周)；要求：1) 简短 2) 清楚 3) 完整 = 好；\n",
        "=SUM(A1:A10)/COUNT(A1:A10)+IF(B1>0,1,0) 这个公式 (Excel) 怎么改？;;",
        "print(\"hello\")\nx = 1\nprint(x)",
        "DB_HOST=localhost\nDB_PORT=3306\nDB_NAME=a\nDB_USER=b\nA=1\nB=2\nC=3\n",
    ] {
        assert_eq!(find(text).len(), 0, "{text}");
    }
}

const RUBY: &str = "class Invoice < ApplicationRecord\n  belongs_to :customer\n  def total\n    amount + tax\n  end\nend\n";
const VBA: &str = "Sub ExportData()\n    Dim ws As Worksheet\n    For i = 2 To 100\n        ws.Cells(i, 3).Value = ws.Cells(i, 1).Value * 2\n    Next i\nEnd Sub\n";
const DOCKER: &str = "FROM python:3.11-slim\nWORKDIR /app\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\nCMD [\"python\", \"main.py\"]\n";
const OWNED: &str = "// Copyright 2024 Acme Corp. Confidential.\nstatic int check(const char *key)\n{\n    return verify(key);\n}\n";
const PANDAS: &str = "df = pd.read_csv(\"a.csv\")\ndf[\"d\"] = pd.to_datetime(df[\"d\"])\nm = df.groupby(df[\"d\"].dt.month)[\"v\"].sum()\nm.plot(kind=\"bar\")\nplt.title(\"月\")\nplt.show()\n";

#[test]
fn other_languages_and_scripts_count_too() {
    for code in [RUBY, VBA, DOCKER, OWNED, PANDAS] {
        assert_eq!(find(code).len(), 1, "{code}");
    }
}

#[test]
fn data_in_tags_and_headlines_do_not() {
    for text in [
        "<order>\n  <buyer><name>a</name></buyer>\n  <invoice><no>1</no></invoice>\n  <x>(1)</x>\n  <y>=</y>\n</order>\n",
        "## 1. Title (a)\n\n- one; two {x}\n- three = four\n\n## 2. More [b]\n\nSome words; more words.\n",
        "from openai import OpenAI\nclient = OpenAI()\nprint(client.models.list())\n",
    ] {
        assert_eq!(find(text).len(), 0, "{text}");
    }
}
