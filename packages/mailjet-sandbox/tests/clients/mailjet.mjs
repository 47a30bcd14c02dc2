// Mailjet's own Node.js client, unmodified. It always calls https://api.mailjet.com, so it reaches the sandbox as its proxy.
import Mailjet from "node-mailjet";

const [port, apiKey, apiSecret] = process.argv.slice(2);
const proxy = { protocol: "http", host: "127.0.0.1", port: Number(port) };
const mailjet = new Mailjet({ apiKey, apiSecret, options: { proxy } });

const list = (await mailjet.post("contactslist").request({ Name: "Customers" })).body.Data[0];
const contact = { Email: "ada@example.com", Action: "addforce", Properties: { firstname: "Ada" } };
await mailjet.post("contactslist").id(list.ID).action("managecontact").request(contact);
const message = { From: { Email: "shop@example.com" }, To: [{ Email: "ada@example.com" }], TextPart: "Hello" };
const sent = (await mailjet.post("send", { version: "v3.1" }).request({ Messages: [message] })).body.Messages[0];
const history = (await mailjet.get("messagehistory").id(String(sent.To[0].MessageID)).request()).body.Data;
const counters = { CounterSource: "APIKey", CounterTiming: "Message", CounterResolution: "Lifetime" };
const statistics = (await mailjet.get("statcounters").request({}, counters)).body.Data[0];
let status = 200;
try {
  await new Mailjet({ apiKey, apiSecret: "wrong", options: { proxy } }).get("contact").request();
} catch (error) {
  status = error.statusCode;
}
console.log(
  JSON.stringify({
    subscribers: (await mailjet.get("contactslist").id(list.ID).request()).body.Data[0].SubscriberCount,
    sent: sent.Status,
    history: history.map((event) => event.EventType),
    counted: statistics.MessageSentCount,
    wrong_key: status,
  }),
);
