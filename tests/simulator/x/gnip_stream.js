// Reads a stream of the simulator with the npm package gnip, until it has printed the ids of so many posts.
// node gnip_stream.js GNIP URL USER PASSWORD COUNT
const [gnip, url, user, password, count] = process.argv.slice(2);
// it knows TLS only
require("https").get = require("http").get;
const { Stream } = require(gnip);
const stream = new Stream({ url, user, password, partition: 1, backfillMinutes: 2 });
let left = Number(count);
stream.on("tweet", (tweet) => {
  if (left > 0) console.log(tweet.id_str);
  left -= 1;
  if (left === 0) process.exit(0);
});
stream.on("error", (error) => {
  console.error(String(error));
  process.exit(1);
});
stream.start();
