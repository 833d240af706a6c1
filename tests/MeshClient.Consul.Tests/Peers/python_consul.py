"""Drives python-consul through a server that speaks Consul's API: python_consul.py HOST PORT SECTION...

Every section cleans up behind itself. Ends with 0 when all went as its users rely on; else the traceback says where it did not.
"""
import sys
import threading
import uuid

import consul


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def put(c, path, **params):
    """What python-consul 0.7 still sends as a GET, which Consul has refused since 1.0, and so does our server."""
    return c.http.put(consul.base.CB.bool(), path, params=params)


def beat(c, verb, check_id, note):
    return put(c, '/v1/agent/check/%s/%s' % (verb, check_id), note=note)


def agent(c, suffix):
    name, service_id = 'py-' + suffix, 'py1-' + suffix
    check(c.agent.self()['Config']['Datacenter'] == 'dc1', 'self')
    check(len(c.agent.members()) >= 1, 'members')
    check(c.agent.service.register(
        name, service_id=service_id, address='127.0.0.1', port=8080, tags=['a', 'b'],
        check=consul.Check.ttl('10m')) is True, 'register')
    service = c.agent.services()[service_id]
    check((service['Service'], service['Port'], service['Tags']) == (name, 8080, ['a', 'b']), service)
    check_id = 'service:' + service_id
    check(c.agent.checks()[check_id]['Status'] == 'critical', 'a TTL check begins critical')
    for verb, status in (('pass', 'passing'), ('warn', 'warning'), ('fail', 'critical')):
        check(beat(c, verb, check_id, 'note') is True, status)
        found = c.agent.checks()[check_id]
        check((found['Status'], found['Output']) == (status, 'note'), found)
    check(c.agent.service.maintenance(service_id, 'true', 'why') is True, 'service maintenance')
    check('_service_maintenance:' + service_id in c.agent.checks(), 'maintenance check')
    check(c.agent.service.maintenance(service_id, 'false') is True, 'end of service maintenance')
    check(c.agent.maintenance('true', 'why') is True, 'node maintenance')
    check('_node_maintenance' in c.agent.checks(), 'node maintenance check')
    check(c.agent.maintenance('false') is True, 'end of node maintenance')
    check(c.agent.check.register('own ' + suffix, consul.Check.ttl('10m'), check_id='own-' + suffix, service_id=service_id) is True, 'check register')
    check(c.agent.check.register('http ' + suffix, consul.Check.http('http://127.0.0.1:1/', '1h', timeout='1s'), check_id='http-' + suffix) is True, 'http check')
    check(c.agent.check.register('tcp ' + suffix, consul.Check.tcp('127.0.0.1', 1, '1h'), check_id='tcp-' + suffix) is True, 'tcp check')
    check(c.agent.checks()['http-' + suffix]['Type'] == 'http', 'type of check')
    for check_id in ('own-', 'http-', 'tcp-'):
        check(put(c, '/v1/agent/check/deregister/' + check_id + suffix) is True, 'check deregister')
    check(put(c, '/v1/agent/service/deregister/' + service_id) is True, 'deregister')
    check(service_id not in c.agent.services(), 'deregistered')


def catalog(c, suffix):
    node, service = 'py-node-' + suffix, 'py-cat-' + suffix
    check('dc1' in c.catalog.datacenters(), 'datacenters')
    check(c.catalog.register(
        node, '127.0.0.9', service={'service': service, 'id': service + '-1', 'tags': ['x'], 'port': 1},
        check={'name': 'c', 'status': 'passing', 'serviceid': service + '-1'}) is True, 'register')
    index, nodes = c.catalog.nodes()
    check(int(index) > 0 and node in [found['Node'] for found in nodes], nodes)
    check(c.catalog.services()[1][service] == ['x'], 'services')
    check(c.catalog.node(node)[1]['Services'][service + '-1']['Port'] == 1, 'node')
    check(c.catalog.node('no-such-node')[1] is None, 'unknown node')
    found = c.catalog.service(service, tag='x')[1]
    check([(entry['Node'], entry['ServicePort']) for entry in found] == [(node, 1)], found)
    check(c.catalog.service(service, tag='y')[1] == [], 'no such tag')

    index, before = c.health.service(service, passing=True)
    check([entry['Node']['Address'] for entry in before] == ['127.0.0.9'], before)
    fail = threading.Timer(0.2, lambda: c.catalog.register(
        node, '127.0.0.9', check={'name': 'c', 'status': 'critical', 'serviceid': service + '-1'}))
    fail.start()
    changed, after = c.health.service(service, passing=True, index=index, wait='30s')
    fail.join()
    check(int(changed) > int(index) and after == [], 'a blocking read is woken by a check')

    check(c.catalog.deregister(node, check_id='c') is True, 'deregister check')
    check(c.catalog.deregister(node, service_id=service + '-1') is True, 'deregister service')
    check(c.catalog.deregister(node) is True, 'deregister node')
    check(c.catalog.service(service)[1] == [], 'gone')


def health(c, suffix):
    service = 'py-health-' + suffix
    c.agent.service.register(service, check=consul.Check.ttl('10m'))
    beat(c, 'warn', 'service:' + service, 'hm')
    try:
        check([found['Status'] for found in c.health.checks(service)[1]] == ['warning'], 'checks')
        check('service:' + service in [found['CheckID'] for found in c.health.state('warning')[1]], 'state')
        check('service:' + service in [found['CheckID'] for found in c.health.state('any')[1]], 'any state')
        node = c.agent.self()['Config']['NodeName']
        check('service:' + service in [found['CheckID'] for found in c.health.node(node)[1]], 'node')
        check(len(c.health.service(service)[1]) == 1 and c.health.service(service, passing=True)[1] == [], 'service')
    finally:
        put(c, '/v1/agent/service/deregister/' + service)


def status(c, suffix):
    check(':' in c.status.leader() and len(c.status.peers()) == 1, 'leader and peers')
    check(c.operator.raft_config()['Servers'][0]['Leader'] is True, 'raft')
    check(len(c.coordinate.datacenters()) == 1, 'datacenters')
    try:
        c.agent.service.register('')
        raise AssertionError('a service without a name is taken')
    except consul.base.BadRequest:
        pass


def kv(c, suffix):
    key = 'py/' + suffix
    index, data = c.kv.get(key + '/none')
    check(int(index) > 0 and data is None, 'no such key')
    check(c.kv.put(key + '/a', 'one') is True and c.kv.put(key + '/b', 'two', flags=3) is True, 'put')
    check(c.kv.get(key + '/a')[1]['Value'] == b'one' and c.kv.get(key + '/b')[1]['Flags'] == 3, 'get')
    check(c.kv.get(key + '/', keys=True)[1] == [key + '/a', key + '/b'], 'keys')
    check(len(c.kv.get(key + '/', recurse=True)[1]) == 2, 'recurse')
    index = c.kv.get(key + '/a')[1]['ModifyIndex']
    check(c.kv.put(key + '/a', 'x', cas=index + 1000000) is False and c.kv.put(key + '/a', 'x', cas=index) is True, 'cas')
    check(c.kv.delete(key, recurse=True) is True and c.kv.get(key + '/', recurse=True)[1] is None, 'delete')


def session(c, suffix):
    key = 'py-lock/' + suffix
    own = c.session.create(name=suffix, ttl=60, lock_delay=0)
    check(c.session.info(own)[1]['Name'] == suffix, 'info')
    check(own in [found['ID'] for found in c.session.list()[1]], 'list')
    check(c.session.renew(own)['ID'] == own, 'renew')
    check(c.kv.put(key, 'held', acquire=own) is True and c.kv.get(key)[1]['Session'] == own, 'acquire')
    other = c.session.create(lock_delay=0)
    check(c.kv.put(key, 'stolen', acquire=other) is False, 'a lock that is held')
    check(c.kv.put(key, 'free', release=own) is True, 'release')
    check(c.session.destroy(own) is True and c.session.destroy(other) is True, 'destroy')
    c.kv.delete(key)


def main(host, port, *sections):
    c = consul.Consul(host=host, port=int(port))
    suffix = uuid.uuid4().hex[:8]
    for section in sections:
        globals()[section](c, suffix)
        print('done: ' + section)


main(*sys.argv[1:])
