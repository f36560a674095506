"""What the official Python client meets at the gateway. python.test.ts runs it and reads what it prints."""

import asyncio
import json
import sys

import centrifuge

url, encoding, channel, token = sys.argv[1:]
is_binary = encoding == "protobuf"


def say(what, **more):
    print(json.dumps({"what": what, **more}), flush=True)


def encode(value):
    return json.dumps(value).encode() if is_binary else value


def decode(data):
    if not isinstance(data, bytes):
        return data
    try:
        return json.loads(data)
    except ValueError:
        return data.decode()


class Connection(centrifuge.ClientEventHandler):
    async def on_connecting(self, ctx):
        say("connecting", code=ctx.code)

    async def on_connected(self, ctx):
        say("connected", client=ctx.client)

    async def on_disconnected(self, ctx):
        say("disconnected", code=ctx.code)

    async def on_error(self, ctx):
        # It tries again by itself: for a moment there is no gateway.
        say("error", code=ctx.code, error=repr(ctx.error))


class Events(centrifuge.SubscriptionEventHandler):
    def __init__(self):
        self.publications = asyncio.Queue()

    async def on_subscribed(self, ctx):
        say("subscribed", channel=ctx.channel, recovering=ctx.was_recovering, recovered=ctx.recovered)

    async def on_publication(self, ctx):
        pub = ctx.pub
        user = pub.info.user if pub.info else None
        say("publication", offset=pub.offset, data=decode(pub.data), user=user, delta=pub.delta)
        await self.publications.put(pub)

    async def on_unsubscribed(self, ctx):
        say("unsubscribed", code=ctx.code)

    async def on_error(self, ctx):
        say("subscription error", code=ctx.code, error=repr(ctx.error))


async def main():
    client = centrifuge.Client(
        url,
        events=Connection(),
        token=token,
        use_protobuf=is_binary,
        timeout=30,
        max_reconnect_delay=0.5,
        proxy=None,
    )
    await client.connect()
    await client.ready()
    events = Events()
    subscription = client.new_subscription(
        channel, events=events, delta=centrifuge.DeltaType.FOSSIL
    )
    await subscription.subscribe()
    await subscription.ready()

    for number in [1, 2]:
        await subscription.publish(encode({"number": number, "text": "grüß dich " * 20}))
        await events.publications.get()

    clients = (await subscription.presence()).clients
    say("presence", clients={key: [info.user, decode(info.conn_info)] for key, info in clients.items()})
    stats = await subscription.presence_stats()
    say("stats", clients=stats.num_clients, users=stats.num_users)
    history = await subscription.history(limit=-1)
    pubs = [[pub.offset, decode(pub.data)] for pub in history.publications]
    say("history", offset=history.offset, epoch=history.epoch, publications=pubs)

    result = await client.rpc("sum", encode([1, 2]))
    say("rpc", data=decode(result.data))
    try:
        await client.rpc("nothing", encode(None))
    except centrifuge.ReplyError as error:
        say("refused", asked="rpc", code=error.code)
    try:
        await client.publish("closed:a", encode(1))
    except centrifuge.ReplyError as error:
        say("refused", asked="publish", code=error.code)

    say("ready")
    # Others publish now, while the gateway is gone and after.
    while (await events.publications.get()).offset < 6:
        pass
    await subscription.unsubscribe()
    await client.disconnect()
    say("done")


asyncio.run(main())
