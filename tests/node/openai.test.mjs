// The official OpenAI SDK for Node in front of a gateway: chat, responses and completions, whole and streamed, tools,
// formats, errors; before its own vendor, one of Anthropic's dialect, one with a native protocol and a runtime.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

import { KEY, gateway, hashOf } from "./support.mjs";

const VENDORS = {
  openai: ["/openai/v1", "gpt-4o"],
  anthropic: ["/anthropic", "claude-3-7-sonnet-sim"],
  tongyi: ["/api/v1", "qwen-plus"],
  vllm: ["/vllm/v1", "local-model"],
};
const ENDINGS = ["", "@piece:1", "@split:1", "@status:500", "@status:429@retryafter:3", "@errorevent:6@gap:30", "@cutevent:6@gap:30"];
const TEXT = "你好,世界 🌏";
const PARAMETERS = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const FUNCTION = { name: "get_weather", description: "weather of a city", parameters: PARAMETERS, strict: true };
// Flat here, wrapped in a chat.
const WEATHER = { type: "function", ...FUNCTION };

let running;
let client;

before(async () => {
  running = await gateway((sim) => {
    const providers = {};
    const models = {};
    for (const [vendor, [path, model]] of Object.entries(VENDORS)) {
      providers[vendor] = { vendor, base_url: sim + path, api_key: `sk-fake-${vendor}`, clearance: "internal" };
      for (const ending of ENDINGS) {
        models[vendor + ending] = { lossy: "drop", targets: [{ provider: vendor, model: model + ending }] };
      }
    }
    const keys = [
      { id: "tester", hash: hashOf(KEY) },
      { id: "narrow", hash: hashOf("ym-narrow"), models: ["vllm"] },
    ];
    return { providers, models, keys };
  });
  client = connect();
});

after(() => running?.close());

/** No retries, or they would hide what is tested. */
function connect(apiKey = KEY) {
  return new OpenAI({ apiKey, baseURL: `${running.url}/v1`, maxRetries: 0, timeout: 30_000 });
}

async function gathered(stream) {
  const all = [];
  for await (const one of stream) all.push(one);
  return all;
}

for (const vendor of Object.keys(VENDORS)) {
  describe(vendor, () => {
    test("a chat, whole and streamed", async () => {
      const messages = [{ role: "user", content: TEXT }];
      const whole = await client.chat.completions.create({ model: vendor, messages });
      assert.ok(whole.choices[0].message.content.includes(TEXT));
      assert.ok(whole.usage.total_tokens > 0 && whole._request_id);
      for (const ending of ["", "@piece:1", "@split:1"]) {
        const options = { include_usage: true };
        const stream = await client.chat.completions.create({ model: vendor + ending, messages, stream: true, stream_options: options });
        const chunks = await gathered(stream);
        const text = chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("");
        assert.equal(text, whole.choices[0].message.content);
        assert.ok(chunks.at(-1).usage.total_tokens > 0);
      }
    });

    test("tools of a chat, run by the SDK", async () => {
      const asked = [];
      const runner = client.chat.completions.runTools({
        model: vendor,
        stream: true,
        messages: [{ role: "user", content: "the weather in 北京" }],
        tools: [
          {
            type: "function",
            function: {
              ...FUNCTION,
              parse: JSON.parse,
              function: ({ city }) => {
                asked.push(city);
                return "21 celsius 晴";
              },
            },
          },
        ],
      });
      assert.ok((await runner.finalContent()).includes("21 celsius 晴"));
      assert.deepEqual(asked, ["北京"]);
    });

    test("a response, whole and streamed", async () => {
      const whole = await client.responses.create({ model: vendor, instructions: "be kind", input: TEXT, metadata: { k: "v" } });
      assert.ok(whole.output_text.includes(TEXT));
      assert.equal(whole.status, "completed");
      assert.ok(whole.usage.total_tokens > 0);
      for (const ending of ["", "@piece:1", "@split:1"]) {
        const stream = client.responses.stream({ model: vendor + ending, input: TEXT });
        const events = await gathered(stream);
        const last = await stream.finalResponse();
        assert.equal(last.output_text, whole.output_text);
        const deltas = events.filter((event) => event.type === "response.output_text.delta");
        assert.equal(deltas.map((event) => event.delta).join(""), last.output_text);
        const numbers = events.map((event) => event.sequence_number);
        assert.deepEqual(numbers, numbers.map((_, at) => at));
        assert.deepEqual([events[0].type, events.at(-1).type], ["response.created", "response.completed"]);
      }
    });

    test("tools of a response go there and back", async () => {
      const input = [{ role: "user", content: "two weather reports" }];
      const stream = client.responses.stream({ model: vendor, input, tools: [WEATHER] });
      await gathered(stream);
      const called = await stream.finalResponse();
      const calls = called.output.filter((item) => item.type === "function_call");
      assert.ok(calls.length >= 1);
      for (const call of calls) assert.ok(JSON.parse(call.arguments).city);
      const outputs = calls.map((call) => ({ type: "function_call_output", call_id: call.call_id, output: "21 celsius 晴" }));
      const answer = await client.responses.create({ model: vendor, input: [...input, ...called.output, ...outputs], tools: [WEATHER] });
      assert.ok(answer.output_text.includes("21 celsius 晴"));
    });

    test("a completion, whole and streamed", async () => {
      const whole = await client.completions.create({ model: vendor, prompt: TEXT });
      assert.ok(whole.choices[0].text.includes(TEXT));
      const chunks = await gathered(await client.completions.create({ model: vendor, prompt: TEXT, stream: true }));
      assert.equal(chunks.map((chunk) => chunk.choices[0]?.text ?? "").join(""), whole.choices[0].text);
    });

    test("an error after the beginning ends a stream", async () => {
      for (const ending of ["@errorevent:6@gap:30", "@cutevent:6@gap:30"]) {
        const model = vendor + ending;
        const input = "one two three four five six seven";
        const messages = [{ role: "user", content: input }];
        await assert.rejects(async () => gathered(await client.chat.completions.create({ model, messages, stream: true })), OpenAI.APIError);
        let failed;
        try {
          const events = await gathered(await client.responses.create({ model, input, stream: true }));
          assert.equal(events.at(-1).type, "response.failed");
          failed = events.at(-1).response.error;
        } catch (error) {
          assert.ok(error instanceof OpenAI.APIError, error);
          failed = error;
        }
        assert.equal(failed.code, "upstream_error");
      }
    });

    test("an error before the beginning is the SDK's", async () => {
      for (const [ending, kind] of [["@status:500", OpenAI.InternalServerError], ["@status:429@retryafter:3", OpenAI.RateLimitError]]) {
        const model = vendor + ending;
        await assert.rejects(client.responses.create({ model, input: "hi" }), kind);
        await assert.rejects(client.completions.create({ model, prompt: "hi" }), kind);
        await assert.rejects(client.chat.completions.create({ model, messages: [{ role: "user", content: "hi" }], stream: true }), kind);
      }
    });
  });
}

test("a format arrives in the vendor's words", async () => {
  const format = zodTextFormat(z.object({ city: z.string() }), "place");
  for (const model of ["openai", "vllm"]) {
    // The simulated model echoes and keeps to no schema: that the SDK tries to read it as JSON shows that it was asked.
    await assert.rejects(client.responses.parse({ model, input: "hi", text: { format } }), SyntaxError);
  }
});

test("nothing is kept, and it is said", async () => {
  await assert.rejects(client.responses.retrieve("resp_1"), OpenAI.NotFoundError);
  await assert.rejects(client.responses.create({ model: "openai", input: "hi", previous_response_id: "resp_1" }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.param, "previous_response_id");
    return true;
  });
});

test("keys and models are judged", async () => {
  const hi = { input: "hi" };
  await assert.rejects(connect("ym-wrong").responses.create({ model: "openai", ...hi }), OpenAI.AuthenticationError);
  await assert.rejects(connect("ym-narrow").responses.create({ model: "openai", ...hi }), OpenAI.PermissionDeniedError);
  await assert.rejects(client.responses.create({ model: "nobody", ...hi }), OpenAI.NotFoundError);
  await assert.rejects(client.responses.create({ model: "openai", input: [] }), OpenAI.BadRequestError);
});

test("a client that leaves a stream", async () => {
  const stream = await client.responses.create({ model: "openai@piece:1", input: TEXT, stream: true });
  for await (const event of stream) {
    if (event.type === "response.output_text.delta") break;
  }
  assert.ok(stream.controller.signal.aborted);
});

test("models are listed", async () => {
  const models = await gathered(await client.models.list());
  assert.ok(models.some((model) => model.id === "anthropic"));
});
